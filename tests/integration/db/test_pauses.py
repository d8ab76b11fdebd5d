"""Providers that answer nobody: who says it, how long it stands, and how workers hear of it (F52)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from fixtures.databases import Database
from flowrunner.db import workers
from flowrunner.db.pauses import delete_past_pauses, pause_provider
from flowrunner.db.pool import Conn
from flowrunner.db.results import list_unread

pytestmark = pytest.mark.anyio

RUN = UUID("01890000-0000-7000-8000-000000000001")
PAUSES = "SELECT provider, reason FROM provider_pauses ORDER BY provider"
REPORT = """
SELECT report_v2(%s, 7, 'failed', NULL, %s, NULL, 0, 0, 'so far', %s, %s::timestamptz, '{"a": 1}')
"""
ERROR = json.dumps({"code": "quota_exhausted", "message": "used up", "failure_class": "quota"})


def within(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


async def test_the_latest_word_stands_whoever_says_it_and_how_often(database: Database) -> None:
    """F52: pausing is repeatable: an earlier moment, and the same once more, change nothing."""
    async with await database.connect() as conn:
        late = within(90)
        said = [
            await pause_provider(conn, "acme", within(60), "first"),
            await pause_provider(conn, "acme", late, "second"),
            await pause_provider(conn, "acme", within(30), "third"),
            await pause_provider(conn, "acme", late, "again"),
            await pause_provider(conn, "acme", None, "only asked"),
        ]
        other = await pause_provider(conn, "other", None, "")

    first, *rest = [seconds or 0.0 for seconds in said]
    assert 55 < first <= 60
    assert all(85 < seconds <= 90 for seconds in rest)
    assert other is None
    assert await database.sql(PAUSES) == [("acme", "second")]


@pytest.mark.parametrize("until", ["-infinity", "2001-01-01", "now"])
async def test_a_moment_that_is_over_pauses_nobody(database: Database, until: str) -> None:
    """P4: it is the database's clock that says so."""
    async with await database.connect() as conn:
        cur = await conn.execute("SELECT pause_provider_v1('acme', %s::timestamptz)", (until,))
        assert await cur.fetchone() == (None,)

    assert await database.sql(PAUSES) == []


@pytest.mark.parametrize("until", ["infinity", "4026-01-01"])
async def test_no_pause_outlasts_what_quotas_are_counted_by(database: Database, until: str) -> None:
    """P4: a mistake must not put a provider away for good."""
    await database.sql("SELECT pause_provider_v1('acme', %s::timestamptz)", (until,))

    longest = "SELECT until < now() + interval '35 days 1 minute' FROM provider_pauses"
    assert await database.value(longest)


async def test_a_renewal_names_who_is_paused_and_for_how_long(database: Database) -> None:
    """F52: in the statement that is sent anyway, as seconds; the past is not told, and goes."""
    async with await database.connect() as conn:
        worker_id = await a_worker(conn)
        before = await workers.renew(conn, worker_id, 60, ())
        await pause_provider(conn, "acme", within(90), "")
        await conn.execute(
            "INSERT INTO provider_pauses (provider, until) VALUES"
            " ('past', now() - interval '1 second'), ('buried', now() - interval '2 days')"
        )
        after = await workers.renew(conn, worker_id, 60, (5,))
        stranger = await workers.renew(conn, uuid4(), 60, ())
        assert await delete_past_pauses(conn) == 1

    assert before == workers.Renewal(known=True, lost=(), paused={})
    assert (after.known, after.lost, after.paused.keys()) == (True, (5,), {"acme"})
    assert 85 < after.paused["acme"] <= 90
    assert (stranger.known, stranger.paused.keys()) == (False, {"acme"})
    assert [name for name, _ in await database.sql(PAUSES)] == ["acme", "past"]


async def test_workers_are_told_to_ask_once_there_is_something_new(database: Database) -> None:
    """F52, P12: as when a lease is lost; a word that changes nothing wakes nobody."""
    async with await database.connect() as conn, await database.connect() as ears:
        await ears.execute("LISTEN leases_lost")
        for seconds in (60, 30):
            await pause_provider(conn, "acme", within(seconds), "")
        heard = [note.channel async for note in ears.notifies(timeout=1.0, stop_after=1)]
        more = [note.channel async for note in ears.notifies(timeout=0.1)]

    assert (heard, more) == (["leases_lost"], [])


@pytest.mark.parametrize(
    ("provider", "until", "paused", "kept"),
    [
        ("acme", "1 minute", 1, True),
        ("acme", "-1 minute", 0, False),
        ("acme", None, 0, False),
        (None, "1 minute", 0, True),
        ("", "1 minute", 0, True),
        ("x" * 201, "1 minute", 0, True),
        ("acme", "infinity", 1, True),
    ],
    ids=["told", "over", "no moment", "nobody", "nameless", "a long name", "for ever"],
)
async def test_a_report_left_in_the_inbox_pauses_before_anybody_reads_it(
    database: Database,
    provider: str | None,
    until: str | None,
    paused: int,
    kept: bool,  # noqa: FBT001  # parametrised
) -> None:
    """F52: with the dispatcher's rights; and whatever it says can be read again (D2-03)."""
    moment = (
        until
        if until in {None, "infinity"}
        else await database.value("SELECT (now() + %s::interval)::text", (until,))
    )
    await database.sql(REPORT, (f"{RUN}.3.2", ERROR, provider, moment), "dispatcher")

    assert len(await database.sql(PAUSES)) == paused
    async with await database.connect() as conn:
        (row,) = await list_unread(conn)
    assert (row.partial, row.provider, row.record) == ("so far", provider, '{"a": 1}')
    assert (row.quota_until is not None) is kept
    await database.sql("DELETE FROM task_results")


async def test_functions_of_the_release_before_go_on(database: Database) -> None:
    """P5, ADR 7: its workers renew and report as they did, beside those that know more."""
    async with await database.connect("dispatcher") as conn:
        worker_id = uuid4()
        who = (worker_id, "old", "", 1, ["default"], 1, "0", 30.0)
        await conn.execute("SELECT register_worker_v1(%s, %s, %s, %s, %s, %s, %s, %s)", who)
        cur = await conn.execute("SELECT * FROM renew_v1(%s, 30, '{5}')", (worker_id,))
        assert await cur.fetchone() == (True, [5])
        await conn.execute("SELECT report_v1(%s, 7, 'completed', 'said')", (f"{RUN}.3.2",))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await conn.execute("SELECT pause_provider_v1('acme', now() + interval '1 hour')")

    async with await database.connect() as conn:
        (row,) = await list_unread(conn)
    assert (row.output, row.partial, row.provider, row.quota_until, row.record) == (
        "said",
        *[None] * 4,
    )
    await database.sql("DELETE FROM task_results")


async def a_worker(conn: Conn, **given: Any) -> UUID:
    worker_id = uuid4()
    row = workers.WorkerRow(worker_id, "w", "here", 1, ("default",), 4, "test")
    await workers.register(conn, row, given.get("lease_seconds", 60.0))
    return worker_id
