"""A stranger begins a transaction and leaves it open: whoever does not need the same rows goes on."""

from __future__ import annotations

import asyncio
import time

import psycopg
import pytest

from faults.sessions.place import a_place, a_stranger, unknown
from fixtures.databases import Database
from fixtures.services import LogLines
from flowrunner.db.partitions import ensure_partitions
from flowrunner.db.pool import LOCK_SECONDS

pytestmark = pytest.mark.anyio

OTHERS = 8
TABLES = ("flow_runs", "flow_step_events", "task_queue", "transcripts", "flow_timers")
# Both are made by migrations and by every replica: what a test drops is there again afterwards.
NEWEST = """
SELECT c.relname FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid
 WHERE i.inhparent = 'flow_step_events'::regclass AND c.relname ~ '[0-9]$'
 ORDER BY c.relname DESC LIMIT 1
"""


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT FROM flow_runs WHERE id = %s FOR UPDATE",
        "SELECT FROM task_queue WHERE run_id = %s FOR UPDATE",
    ],
    ids=["a-run", "a-held-task"],
)
async def test_a_locked_run_holds_up_no_other(
    database: Database, log_lines: LogLines, statement: str
) -> None:
    """P3, P4: others are launched and end meanwhile; it ends when the lock is gone."""
    async with a_place(database) as place:
        held = await place.hold()
        async with a_stranger(database, statement, args=(held,)):
            place.shape.gate.set()
            began = time.monotonic()
            await place.have_ended(await place.launch(OTHERS))
            waited = len(unknown(log_lines))
            await place.have_ended(await place.launch(OTHERS))
            took = time.monotonic() - began
        await place.have_ended([held])
    assert waited >= 1
    assert took < LOCK_SECONDS
    # Whoever was in one commit with it was tried again alone: it is the only one without an answer.
    assert {line["runs"] for line in unknown(log_lines)} == {1}


async def test_a_locked_offer_is_passed_over(database: Database, log_lines: LogLines) -> None:
    """P4: claims go around what somebody locks, and take it afterwards."""
    async with a_place(database, slots=1) as place:
        held = await place.hold()
        (waiting,) = await place.launch()
        lock = "SELECT FROM task_queue WHERE run_id = %s AND epoch IS NULL FOR UPDATE"
        async with a_stranger(database, lock, args=(waiting,)):
            runs = await place.launch(OTHERS)
            place.shape.gate.set()
            await place.have_ended([held, *runs])
            assert not await place.is_over(waiting)
        await place.have_ended([waiting])
    assert unknown(log_lines) == []


async def test_an_old_snapshot_holds_up_nobody(database: Database, log_lines: LogLines) -> None:
    """P4: somebody who has read every table and went for lunch; nobody waits, nothing fails."""
    reads = (f"SELECT count(*) FROM {table}" for table in TABLES)  # noqa: S608  # our own names
    async with a_place(database) as place, a_stranger(database, *reads):
        await place.have_ended(await place.launch(OTHERS))
    assert {line["event"] for line in log_lines if line["log_level"] == "warning"} == set()


async def test_a_partition_is_not_made_at_the_cost_of_those_who_write(
    database: Database, log_lines: LogLines
) -> None:
    """P4: while somebody reads the table it is put off, and nobody queues behind the attempt."""
    async with a_place(database) as place, await database.connect("service") as conn:
        newest = await database.value(NEWEST)
        await database.sql(f"DROP TABLE {newest}")
        async with a_stranger(database, "SELECT count(*) FROM flow_step_events"):
            began = time.monotonic()
            attempt = asyncio.create_task(ensure_partitions(conn))
            runs = await place.launch(OTHERS)
            await place.have_ended(runs)
            took = time.monotonic() - began
            with pytest.raises(psycopg.errors.LockNotAvailable):
                await attempt
        assert took < LOCK_SECONDS / 2
        assert await ensure_partitions(conn) == 1
        assert await database.value(NEWEST) == newest
    assert unknown(log_lines) == []
