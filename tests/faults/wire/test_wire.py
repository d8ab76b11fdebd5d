"""The wire to PostgreSQL may break at any byte, in any of six ways: nothing is lost or doubled."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from crashpoints.judge import judge
from crashpoints.repertoire import MAKERS
from crashpoints.stage import until
from faults.wire.cases import KINDS, Case, Player, Tally
from faults.wire.proxy import Fault, Kind, Stream
from faults.wire.stage import WireStage, staged
from fixtures.databases import Database

PER_KIND = 2


def played(database: Database, *seeds: int) -> Tally:
    return staged(database, lambda stage: Player(stage).play(map(Case.of, seeds)))


@pytest.mark.parametrize("kind", KINDS)
def test_no_byte_is_a_bad_one(database: Database, kind: Kind) -> None:
    """P1, P3, P4, P7: the first cases of `make faults`; the run ends, the replica stops."""
    seeds = [seed for seed in range(1, 1000) if Case.of(seed).kind == kind][:PER_KIND]

    tally = played(database, *seeds)

    assert [str(bad) for bad in tally.bad] == []
    # A play is not the same to the byte: the end of a stream may not come.
    assert tally.struck[kind] > 0
    assert tally.acknowledged > 0


@pytest.mark.parametrize(
    ("shape", "stream", "at"),
    [
        ("sequence", ("flowrunner-commits", "down"), 970),
        ("queue", ("flowrunner-listener", "up"), 277),
    ],
    ids=["a-commit", "a-listen"],
)
def test_a_replica_does_not_wait_for_ever(
    database: Database, shape: str, stream: Stream, at: int
) -> None:
    """P3, P4: it gives the connection up, goes on with another one, and stops when told to."""

    async def strike(stage: WireStage) -> None:
        calm = await stage.strike(MAKERS[shape](), None)
        wanted = await judge(stage.admin, calm, None)
        play = await stage.strike(MAKERS[shape](), Fault("blackhole", stream, at, False, None))
        judged = await judge(stage.admin, play, wanted.ending)
        assert judged.violations == ()
        assert any("no answer within" in str(line.get("error")) for line in play.logs)

    staged(database, strike)


@pytest.mark.parametrize(
    ("kind", "told", "stays"),
    [
        ("reset", True, False),
        ("half_close", True, False),
        ("half_open", True, True),
        ("blackhole", False, True),
        ("truncate", True, False),
    ],
)
def test_each_kind_is_what_it_says(
    database: Database, kind: Kind, *, told: bool, stays: bool
) -> None:
    """P3: whether the client hears of it, and whether the server keeps the session."""

    async def strike(stage: WireStage) -> None:
        await stage.proxy.begin(Fault(kind, ("struck", "up"), 400, False, None))
        address = stage.proxy.addresses.database
        conn = await psycopg.AsyncConnection.connect(address, application_name="struck")
        pid = conn.info.backend_pid
        asking = asyncio.create_task(conn.execute("SELECT " + "1" * 500))

        await asyncio.wait((asking,), timeout=2.0)

        assert asking.done() == told
        assert stage.proxy.struck is not None
        await until(lambda: has_session(stage, pid, stays=stays))
        await stage.proxy.begin(None)
        with pytest.raises(psycopg.OperationalError):
            await asking

    staged(database, strike)


async def has_session(stage: WireStage, pid: int, *, stays: bool) -> bool:
    cur = await stage.admin.execute("SELECT FROM pg_stat_activity WHERE pid = %s", (pid,))
    return (cur.rowcount == 1) == stays


def test_a_late_wire_is_only_late(database: Database) -> None:
    """P3: no connection is lost, and nothing is asked twice."""

    async def strike(stage: WireStage) -> None:
        shape = MAKERS["sequence"]()
        fault = Fault("latency", ("flowrunner-commits", "up"), 1000, True, 20.0)
        play = await stage.strike(shape, fault)
        assert play.failure is None
        assert play.dooms.struck == [str(fault)]
        assert {line["event"] for line in play.logs if line["log_level"] == "warning"} == set()

    staged(database, strike)
