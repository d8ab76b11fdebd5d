"""From the first revision with live runs to today's: they go on where they were."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from psycopg import AsyncConnection

from builders import a_graph
from fixtures.by_hand import ByHand, a_finished_run, a_new_run, by_hand, hold
from fixtures.databases import Database
from flowrunner.core import inputs as inp
from flowrunner.core.model import RunStatus
from flowrunner.db import migrations
from flowrunner.db.launch import LAUNCH, NewRun
from flowrunner.db.results import list_unread
from flowrunner.db.runs import load_run
from flowrunner.service.checking import check

pytestmark = pytest.mark.anyio

# The report function as the first revision had it; the others are called as they always were.
OLD_REPORT = """
DROP FUNCTION report_v1(text, bigint, text, text, jsonb, jsonb, bigint, bigint);
CREATE FUNCTION report_v1(p_task_id text, p_epoch bigint, p_outcome text, p_output text,
                          p_error jsonb DEFAULT NULL, p_usage jsonb DEFAULT NULL)
RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
    INSERT INTO task_results (run_id, step_no, attempt, epoch, outcome, output, error, usage)
    VALUES (split_part(p_task_id, '.', 1)::uuid, split_part(p_task_id, '.', 2)::integer,
            split_part(p_task_id, '.', 3)::integer, p_epoch, p_outcome, p_output, p_error, p_usage);
$$;
"""
COLUMNS = """
SELECT c.relname, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
   AND NOT c.relispartition AND c.relname <> 'alembic_version'
 GROUP BY c.relname
"""


def upgrade_to(url: str, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(migrations.script_directory()))
    with migrations.engine_for(url).connect() as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


@pytest.fixture
async def first(empty_database: Database) -> AsyncIterator[Database]:
    """A database of the first revision, sound when the test has upgraded and used it."""
    owner = empty_database.address("owner")
    upgrade_to(owner, "0001")
    await empty_database.sql(OLD_REPORT, role="owner")
    yield empty_database
    async with await empty_database.connect() as conn:
        assert await check(conn) == []


async def move(source: Database, target: Database) -> None:
    """Copy what *target*'s columns can hold, as the program of that time would have written it."""
    async with await source.connect("admin") as out, await target.connect("admin") as into:
        for table, columns in await target.sql(COLUMNS):
            await into.execute(f"DELETE FROM {table}".encode())  # noqa: S608
            await copy(out, into, table, columns)
        last = await source.value("SELECT last_value FROM claim_epoch_seq")
        await into.execute("SELECT setval('claim_epoch_seq', %s)", (last,))


async def copy(
    out: AsyncConnection[Any], into: AsyncConnection[Any], table: str, columns: str
) -> None:
    reads = f"COPY (SELECT {columns} FROM {table}) TO STDOUT".encode()  # noqa: S608
    async with (
        out.cursor().copy(reads) as rows,
        into.cursor().copy(f"COPY {table} ({columns}) FROM STDIN".encode()) as writes,
    ):
        async for row in rows:
            await writes.write(row)


async def continued(conn: AsyncConnection[Any], run: ByHand) -> ByHand:
    """The same run, as it is found in another database."""
    loaded = await load_run(conn, run.run_id)
    assert loaded is not None
    assert loaded.state == run.state
    return ByHand(conn, run.new, loaded.state, dict(run.held))


async def test_live_runs_go_on_after_an_upgrade(database: Database, first: Database) -> None:
    """P3, F22: held, delayed, waiting and ended runs of the first revision load as they were."""
    async with await database.connect() as conn:
        live = await by_hand(conn, a_graph("a()", "b()*2", "c()<-a", deadline=60.0))
        failed = await by_hand(conn, a_graph("x()", "y()<-x"))
        await hold(live, failed)
        await live.tell(live.flaky("b"))
        await failed.fail("x")
        await failed.render()
        done = await a_finished_run(conn, a_graph("d"))
    await move(database, first)

    migrations.upgrade(first.address("owner"))

    async with await first.connect() as conn:
        live, failed, done = [await continued(conn, run) for run in (live, failed, done)]
        await live.complete("a")
        await live.tell(inp.TimerFired(inp.TimerKind.RETRY, 1, 1))
        await live.hold()
        await live.complete("b")
        await live.complete("c")
        await live.render()
        await failed.tell(inp.RetryRequested("now it may", "ann"))
        await failed.hold()
        await failed.complete("x")

    assert live.state.status is RunStatus.COMPLETED
    assert (failed.state.status, failed.state.generation) == (RunStatus.RUNNING, 2)


async def test_a_dispatcher_of_before_reports_as_it_did(
    database: Database, first: Database
) -> None:
    """The function has two more parameters and may be called without them, by whom it was."""
    async with await database.connect() as conn:
        run = await by_hand(conn, a_graph("a()"))
        await run.hold()
    await move(database, first)
    report = "SELECT report_v1(%s, %s, 'completed', %s, NULL, NULL)"
    task, epoch = f"{run.run_id}.0.1", run.held["a"]
    async with await first.connect("owner") as dispatcher:
        await dispatcher.execute(report, (task, epoch, "before"))
        migrations.upgrade(first.address("owner"))
        await dispatcher.execute(report, (task, epoch, "the same connection"))
    async with await first.connect("dispatcher") as dispatcher:
        await dispatcher.execute(report, (task, epoch, "after"))

    async with await first.connect() as conn:
        rows = await list_unread(conn)

    assert [row.output for row in rows] == ["before", "the same connection", "after"]
    assert {(row.truncated_bytes, row.replaced_count) for row in rows} == {(0, 0)}


def meta_of_before(new: NewRun) -> dict[str, Any]:
    return {
        "run": str(new.run_id),
        "project": new.context.project_id,
        "flow": "demo",
        "band": "small",
        "agent": "static",
        "title": "",
        "input": new.input_ref,
        "labels": {},
        "nonce": new.nonce,
        "launched_by": "",
        "trigger": "api",
    }


def a_launch_of_before(new: NewRun) -> dict[str, Any]:
    """What the first revision's program sent for two code steps, the second needing the first."""
    run_id, step = str(new.run_id), {"kind": "code", "persona": None, "prompt": None}
    task = {"run": run_id, "s": 0, "a": 1, "project": new.context.project_id, "key": "a"}
    return {
        "meta": meta_of_before(new),
        "run": {
            "definition": new.definition_id,
            "status": "running",
            "version": 2,
            "remaining": 2,
            "ready": 0,
        },
        "steps": [
            {"s": 0, "key": "a", "status": "running", "a": 1, "reason": None, **step},
            {"s": 1, "key": "b", "status": "pending", "a": 0, "reason": None, **step},
        ],
        "tasks": [{**task, "kind": "code", "queue": "default", "agent": "", "total": 1800}],
        "timers": [],
        "events": [
            {
                "run": run_id,
                "seq": 1,
                "t": "run.started",
                "b": {"flow": "demo", "band": "small", "definition": "d0"},
            },
            {"run": run_id, "seq": 2, "t": "step.dispatched", "s": 0, "b": {"attempt": 1}},
        ],
        "notify": "off",
    }


async def test_a_server_of_before_launches_as_it_did(database: Database) -> None:
    """ADR 7: while replicas are replaced, old code meets the new schema: it says less, and may."""
    graph = a_graph("a()", "b()<-a")
    async with await database.connect() as conn:
        new = await a_new_run(conn, graph)
        parts = json.dumps(a_launch_of_before(new))
        args = {"p": parts, "refs": [bytes.fromhex(new.input_ref)], "bodies": [b"{}"]}
        await conn.execute(LAUNCH, args)
        loaded = await load_run(conn, new.run_id)

    assert loaded is not None
    assert [str(step.status) for step in loaded.state.steps] == ["running", "pending"]
