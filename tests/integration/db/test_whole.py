"""Launch and apply are whole or nothing: they are made to fail at every table they touch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from builders import a_graph
from fixtures.by_hand import ByHand, a_body, a_new_run, by_hand, hold, write
from fixtures.databases import Database
from fixtures.waiting import until
from flowrunner.core import inputs as inp
from flowrunner.core.decision import LeaseGuard
from flowrunner.core.model import Failure, Losses
from flowrunner.db import schema
from flowrunner.db.apply import apply
from flowrunner.db.attempts import list_attempts
from flowrunner.db.results import list_unread
from flowrunner.db.runs import load_run
from flowrunner.db.step_pages import StepFilter, list_step_lines
from flowrunner.engine.inbox import report_of

pytestmark = pytest.mark.anyio

GRAPH = a_graph("a()", "b()*2", "c()<-a", "d()*2", deadline=60.0)
TABLES = [table.name for table in schema.metadata.sorted_tables if table.name != "workers"]
TRAP = """
CREATE FUNCTION pg_temp.trap() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'trapped'; END $$;
CREATE TRIGGER trap BEFORE {what} ON {table} FOR EACH ROW EXECUTE FUNCTION pg_temp.trap();
"""


@asynccontextmanager
async def trapped(database: Database, what: str, table: str) -> AsyncGenerator[None]:
    """Let the next *what* on *table* fail, for whoever tries."""
    async with await database.connect("admin") as conn:
        await conn.execute(TRAP.format(what=what, table=table).encode())
        try:
            yield
        finally:
            await conn.execute(f"DROP TRIGGER trap ON {table}".encode())


async def everything(database: Database) -> dict[str, Any]:
    """What every table holds."""
    query = " UNION ALL ".join(
        f"SELECT '{name}', md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {name} t"  # noqa: S608
        for name in TABLES
    )
    return dict(await database.sql(query))


LAUNCHED = [
    "flow_run_meta",
    "payloads",
    "flow_runs",
    "live_runs",
    "flow_steps",
    "tasks",
    "task_queue",
    "flow_timers",
    "flow_step_events",
]


@pytest.mark.parametrize("table", LAUNCHED)
async def test_a_launch_that_fails_anywhere_leaves_nothing(database: Database, table: str) -> None:
    """D2-06, I6: there is no run without its steps, and no task without its run."""
    async with await database.connect() as conn:
        new = await a_new_run(conn, GRAPH)
        before = await everything(database)

        async with trapped(database, "INSERT", table):
            with pytest.raises(psycopg.errors.RaiseException, match="trapped"):
                await write(conn, new, GRAPH)

        assert await everything(database) == before
        assert not (await write(conn, new, GRAPH))[0].replayed


async def test_a_launch_whose_backend_dies_half_way_leaves_nothing(database: Database) -> None:
    """D2-06: killed while it waits for a lock in the middle of its writes."""
    async with await database.connect() as conn, await database.connect("admin") as holder:
        new = await a_new_run(conn, GRAPH)
        before = await everything(database)
        async with holder.transaction():
            await holder.execute("LOCK TABLE flow_timers IN ACCESS EXCLUSIVE MODE")
            launching = asyncio.create_task(write(conn, new, GRAPH))
            waits = "SELECT pid FROM pg_locks WHERE NOT granted AND pid = %s"
            pid = conn.info.backend_pid
            await until(lambda: database.sql(waits, (pid,)))
            await database.sql("SELECT pg_terminate_backend(%s)", (pid,))

            with pytest.raises(psycopg.OperationalError):
                await launching

        assert await everything(database) == before


APPLIED = [
    ("INSERT", "payloads"),
    ("DELETE", "flow_timers"),
    ("DELETE", "task_queue"),
    ("UPDATE", "flow_steps"),
    ("INSERT", "tasks"),
    ("INSERT", "task_queue"),
    ("INSERT", "flow_timers"),
    ("INSERT", "flow_step_events"),
    ("UPDATE", "flow_runs"),
]


@pytest.mark.parametrize(("what", "table"), APPLIED)
async def test_a_decision_that_fails_anywhere_changes_nothing(
    database: Database, what: str, table: str
) -> None:
    """D2-02, D2-23, I6, F23: a result, the step it ends and the step it starts are one commit."""
    async with await database.connect() as conn:
        run = await by_hand(conn, GRAPH)
        await run.hold()
        await run.tell(run.flaky("b"))
        before = await everything(database)
        given = inputs_of_everything(run)

        async with trapped(database, what, table):
            with pytest.raises(psycopg.errors.RaiseException, match="trapped"):
                await run.tell(*given, bodies=a_body("said")[1])

        assert await everything(database) == before
        assert (await run.tell(*given, bodies=a_body("said")[1])).verdict == "ok"


def inputs_of_everything(run: ByHand) -> tuple[inp.Input, ...]:
    """A result, a due retry and a new one: the decision touches every table, but those of an end."""
    retry = inp.TimerFired(inp.TimerKind.RETRY, run.number("b"), 1)
    return run.settled("a"), retry, run.flaky("d")


async def test_a_cancel_that_fails_at_its_last_write_changes_nothing(database: Database) -> None:
    """P6: an end takes its row in live_runs along, or does not happen."""
    async with await database.connect() as conn:
        run = await by_hand(conn, GRAPH)
        before = await everything(database)

        async with trapped(database, "DELETE", "live_runs"):
            with pytest.raises(psycopg.errors.RaiseException, match="trapped"):
                await run.tell(inp.CancelRequested("", ""))

        assert await everything(database) == before


async def test_one_batch_has_a_verdict_for_each_run(database: Database) -> None:
    """P1, P2: a lost race and a lost lease cost their own run the commit, and no other."""
    async with await database.connect() as conn:
        good, behind, fenced = [await by_hand(conn, GRAPH) for _ in range(3)]
        await hold(good, behind, fenced)
        state = behind.state
        await behind.complete("b")
        behind.state = state
        fenced.held["a"] += 1_000_000

        body = a_body("said")[1]
        changes = [run.change(run.decide(run.settled("a")), body) for run in (good, behind, fenced)]
        answers = await apply(conn, changes)

    said = [answers[run.run_id].verdict for run in (good, behind, fenced)]
    assert said == ["ok", "conflict", "stale"]
    assert answers[fenced.run_id].stale == ((0, fenced.held["a"]),)
    ended = "SELECT run_id FROM flow_steps WHERE key = 'a' AND status = 'completed'"
    assert await database.sql(ended) == [(good.run_id,)]


async def test_a_lease_is_one_attempts(database: Database) -> None:
    """P2: the epoch alone does not do: a guard names step, attempt and epoch."""
    async with await database.connect() as conn:
        run = await by_hand(conn, GRAPH)
        await run.hold()
        decision = run.decide(run.settled("a"))
        for wrong in (LeaseGuard(0, 2, run.held["a"]), LeaseGuard(1, 1, run.held["a"])):
            change = run.change(replace(decision, guards=(wrong,)), a_body("said")[1])

            assert (await apply(conn, [change]))[run.run_id].verdict == "stale"


async def test_a_fired_timer_is_a_guard(database: Database) -> None:
    """P1: a timer that is gone, or is another one by now, does not fire."""
    async with await database.connect() as conn:
        run = await by_hand(conn, GRAPH)
        await run.hold()
        await run.tell(run.flaky("b"))
        fired = inp.TimerFired(inp.TimerKind.RETRY, run.number("b"), 1)
        decision = run.decide(fired)

        await database.sql("UPDATE flow_timers SET token = 9 WHERE kind = 'retry'")
        answers = await apply(conn, [run.change(decision, {})])
        await database.sql("UPDATE flow_timers SET token = 1 WHERE kind = 'retry'")
        again = await run.tell(fired)

    assert (answers[run.run_id].verdict, answers[run.run_id].stale) == ("stale", ((1, "retry"),))
    assert again.verdict == "ok"


async def test_an_ended_run_takes_no_decision(database: Database) -> None:
    """P6: whatever its version, a run that has ended is a conflict."""
    async with await database.connect() as conn:
        run = await by_hand(conn, GRAPH)
        state = run.state
        await run.tell(inp.CancelRequested("", ""))
        await run.tell(inp.CancelRequested("", ""))
        ended_at = run.state.version
        run.state = state
        decision = run.decide(inp.CancelRequested("", ""))
        await database.sql("UPDATE flow_runs SET version = %s", (state.version,))

        answers = await apply(conn, [run.change(decision, {})])
        await database.sql("UPDATE flow_runs SET version = %s", (ended_at,))

    assert answers[run.run_id].verdict == "conflict"


async def test_what_was_lost_of_an_output_is_kept_with_it(database: Database) -> None:
    """P11: in the event, in the step's row and in its attempt; a failure keeps its hint."""
    async with await database.connect() as conn:
        run = await by_hand(conn, a_graph("a()", "b()"))
        await run.hold()
        ref, bodies = a_body("said [cut]")
        outcome = inp.Succeeded(ref, losses=Losses(truncated_bytes=7, replaced_count=2))
        await run.tell(inp.TaskSettled(0, 1, run.held["a"], outcome), bodies=bodies)
        error = Failure("quota", "no more", hint="buy some")
        await run.tell(inp.TaskSettled(1, 1, run.held["b"], inp.Errored(error)))
        (attempt,) = await list_attempts(conn, run.run_id, 0)
        lines = await list_step_lines(conn, run.run_id, StepFilter(), 10)
        loaded = await load_run(conn, run.run_id)

    assert (attempt.truncated_bytes, attempt.replaced_count) == (7, 2)
    assert [(line.truncated_bytes, line.replaced_count) for line in lines] == [(7, 2), (0, 0)]
    assert loaded is not None
    assert loaded.state == run.state
    assert loaded.errors[1] == error


async def test_a_report_through_sql_says_what_was_lost(database: Database) -> None:
    """P11: the inbox keeps what the dispatcher counted, and its hint, until they are read."""
    async with await database.connect() as conn:
        run = await by_hand(conn, a_graph("a()"))
        await run.hold()
    sql = "SELECT report_v1(%s, %s, 'completed', 'said', NULL, NULL, 9, 3)"
    await database.sql(sql, (f"{run.run_id}.0.1", run.held["a"]), role="dispatcher")

    async with await database.connect() as conn:
        (row,) = await list_unread(conn)

    report = report_of(row)
    assert (report.truncated_bytes, report.replaced_count) == (9, 3)
