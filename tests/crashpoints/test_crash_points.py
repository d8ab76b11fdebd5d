"""A replica may die, or lose its connection, at any statement that it sends: no run is the worse."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

import psycopg
import pytest

from crashpoints.campaign import baseline, combinations, play_all, singles
from crashpoints.clock import LeapingLoop
from crashpoints.crew import Entry
from crashpoints.judge import judge
from crashpoints.points import MODES, OWNER, Backends, Doom, Dooms, Life, Mode, Wire
from crashpoints.repertoire import MAKERS
from crashpoints.stage import Stage, a_stage
from fixtures.databases import Database

R = TypeVar("R")

SEED = 4


def staged(database: Database, work: Callable[[Stage], Awaitable[R]]) -> R:
    """Run *work* on a stage, on a clock that leaps."""

    async def run() -> R:
        async with a_stage(database) as stage:
            return await work(stage)

    with asyncio.Runner(loop_factory=LeapingLoop) as runner:
        return runner.run(run())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", ["sequence", "approval"])
def test_no_statement_is_a_bad_moment(database: Database, shape: str, mode: Mode) -> None:
    """P3, P4, P5, P7, D2-03, D2-06, D2-18: each statement once; the next replica ends the run."""

    async def all_of(stage: Stage) -> None:
        _ending, size = await baseline(stage, shape)
        plans = [plan for plan in singles(size) if plan[0].mode == mode]
        tally = await play_all(stage, shape, plans)
        assert [str(bad) for bad in tally.bad] == []
        # Something was struck: a campaign that never hits would be as green.
        assert tally.struck[mode] > 0.9 * len(plans)

    staged(database, all_of)


@pytest.mark.parametrize("shape", sorted(MAKERS))
def test_troubles_seldom_come_singly(database: Database, shape: str) -> None:
    """P3, P4, P5, P7: two or three in one run, at random: the seed is fixed."""

    async def some(stage: Stage) -> None:
        _ending, size = await baseline(stage, shape)
        chance = random.Random(f"{SEED} {shape}")  # noqa: S311  # whoever knows the seed plays the same
        tally = await play_all(stage, shape, [combinations(chance, size) for _ in range(2)])
        assert [str(bad) for bad in tally.bad] == []
        assert tally.struck.total() > 0

    staged(database, some)


@pytest.mark.parametrize(
    ("mode", "written"), [("kill", [1]), ("cut", [1, 2]), ("before", [1]), ("after", [1, 2])]
)
def test_each_mode_is_what_it_says(database: Database, mode: Mode, written: list[int]) -> None:
    """P3: whether the statement was done, and whether its process lives on."""

    async def strike(stage: Stage) -> None:
        life = Life(Dooms((Doom(2, mode),)), Backends(), stage.kill)
        OWNER.set(life)
        wire = await Wire.connect(database.address("owner"), autocommit=True)
        OWNER.set(None)
        await wire.execute("INSERT INTO struck VALUES (1)")
        with pytest.raises((psycopg.OperationalError, asyncio.CancelledError)):
            await wire.execute("INSERT INTO struck VALUES (2)")
        assert life.is_dead == (mode in {"before", "after"})
        with pytest.raises(psycopg.Error):
            await wire.execute("INSERT INTO struck VALUES (3)")
        rows = await (await stage.admin.execute("SELECT n FROM struck ORDER BY n")).fetchall()
        assert [n for (n,) in rows] == written
        life.backends.close()

    with psycopg.connect(database.address("owner"), autocommit=True) as conn:
        conn.execute("CREATE TABLE struck (n integer)")
        try:
            staged(database, strike)
        finally:
            conn.execute("DROP TABLE struck")


def test_the_dead_send_nothing_more(database: Database) -> None:
    """P3: after its last statement nothing of a process runs on, whatever else it had begun."""

    async def strike(stage: Stage) -> None:
        life = Life(Dooms((Doom(1, "before"),)), Backends(), stage.kill)
        OWNER.set(life)
        first = await Wire.connect(database.address(), autocommit=True)
        other = await Wire.connect(database.address(), autocommit=True)
        waiting = asyncio.get_running_loop().create_task(other.execute("SELECT pg_sleep(60)"))
        OWNER.set(None)
        with pytest.raises(asyncio.CancelledError):
            await first.execute("SELECT 1")
        await life.gone()
        assert waiting.cancelled()
        with pytest.raises(psycopg.OperationalError):
            await other.execute("SELECT 1")

    staged(database, strike)


def test_the_judge_sees_what_is_wrong(database: Database) -> None:
    """P3, P7: an answer that is gone or was paid twice, another end, and a run that hangs."""

    async def look(stage: Stage) -> None:
        wanted, _size = await baseline(stage, "sequence")
        play = await stage.play(MAKERS["sequence"](), ())
        assert (await judge(stage.admin, play, wanted)).violations == ()

        play.book.kept.append(Entry("b", 2, 99, "completed", "lost"))
        play.book.begun += [("b", 2, 99)]
        play.book.refused.append(Entry("b", 1, 98, "completed", "late"))
        play.failure = "no end"
        play.logs.append({"event": "actor.failed", "log_level": "error"})
        other = replace(wanted, runs=(), steps=frozenset())
        found = (await judge(stage.admin, play, other)).violations
        heads = Counter(each.partition(":")[0] for each in found)
        assert heads == {"liveness": 1, "paid": 2, "end": 2, "once": 2, "log": 1}

    staged(database, look)


def test_a_life_leaves_its_idle_sessions_clean(database: Database) -> None:
    """P3: a session that is used again has forgotten its channels and its statements."""

    async def reuse(stage: Stage) -> None:
        backends = Backends()
        pids: list[int] = []
        for _ in range(2):
            life = Life(Dooms(()), backends, stage.kill)
            OWNER.set(life)
            wire = await Wire.connect(database.address(), autocommit=True)
            OWNER.set(None)
            pids.append(wire.info.backend_pid)
            cur = await wire.execute("SELECT count(*) FROM pg_prepared_statements")
            assert await cur.fetchone() == (0,)
            cur = await wire.execute("SELECT count(*) FROM pg_listening_channels()")
            assert await cur.fetchone() == (0,)
            await wire.execute("LISTEN something")
            await wire.execute("SELECT 1", prepare=True)
            life.end()
        assert pids[0] == pids[1]
        backends.close()

    staged(database, reuse)


def test_a_session_in_a_transaction_ends_with_its_client(database: Database) -> None:
    """P3: what was not committed when its process died is undone."""

    async def leave(stage: Stage) -> None:
        backends = Backends()
        life = Life(Dooms(()), backends, stage.kill)
        OWNER.set(life)
        wire = await Wire.connect(database.address(), autocommit=True)
        OWNER.set(None)
        await wire.execute("BEGIN")
        await wire.execute("INSERT INTO projects (name, root) VALUES ('x', '/x')")
        life.end()
        assert len(backends.leaving) == 1
        cur = await stage.admin.execute("SELECT count(*) FROM projects")
        assert await cur.fetchone() == (0,)

    staged(database, leave)
