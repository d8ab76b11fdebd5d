"""Tables stay small and plans stay put: HOT updates, and a claim by index at any size."""

from __future__ import annotations

import asyncio
import re
from typing import Any
from uuid import uuid4

import pytest
from psycopg import AsyncConnection

from fixtures.databases import Database
from fixtures.dispatchers import a_dispatcher, done, failed
from fixtures.libraries import a_flow, a_library, agent, code
from fixtures.runs import ended, lapse, launch
from fixtures.services import LogLines, Replicas
from fixtures.waiting import until

pytestmark = pytest.mark.anyio


async def test_every_update_of_a_hot_row_is_hot(
    fresh_database: Database, log_lines: LogLines
) -> None:
    """C3: runs, steps and workers are updated in place: no index has to follow."""
    assert log_lines == []
    replicas = Replicas(fresh_database.addresses)
    wide = [agent(f"w{n}") for n in range(100)]
    narrow = [code(f"c{n}", *([f"c{n - 1}"] if n else [])) for n in range(30)]
    flow = a_flow(*wide, *narrow, agent("z", *(step.id for step in (*wide, *narrow))))
    service = await replicas.start(a_library(flow), renew_seconds=0.1)
    dispatcher = await a_dispatcher(fresh_database)
    async with dispatcher.conn:
        run_id = await launch(service)
        tasks = await dispatcher.take(run_id, *(step.id for step in wide))
        for task in tasks[:20]:
            await service.tasks.report(task.task_id, done(task))
        rest = (service.tasks.report(task.task_id, done(task)) for task in tasks[20:])
        await asyncio.gather(*rest)
        await dispatcher.renew()
        assert await dispatcher.finish(service, run_id) == "completed"
    await replicas.stop(service)

    updated = await updates(fresh_database)
    assert {name for name, (all_, hot) in updated.items() if all_ != hot} == set()
    assert updated["flow_runs"][0] > 30
    assert updated["flow_steps"][0] >= 160
    assert updated["workers"][0] >= 2


async def updates(database: Database) -> dict[str, tuple[int, int]]:
    """Updates, and how many of them were HOT, by table; backends tell when they end."""
    others = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await until(lambda: no_rows(database, others))
    rows = await database.sql(
        "SELECT relname, n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables"
        " WHERE relname IN ('flow_runs', 'flow_steps', 'workers')"
    )
    return {name: (all_, hot) for name, all_, hot in rows}


async def no_rows(database: Database, count: str) -> bool:
    return await database.value(count) == 0


async def test_rows_that_grew_with_their_errors_are_hot_as_long_as_the_page_holds_them(
    fresh_database: Database, log_lines: LogLines
) -> None:
    """C3: a wave of retries grows a page's rows all at once: nearly all of them stay in place."""
    assert log_lines == []
    replicas = Replicas(fresh_database.addresses)
    wide = [agent(f"w{n}", retry=1) for n in range(60)]
    service = await replicas.start(a_library(a_flow(*wide)))
    dispatcher = await a_dispatcher(fresh_database)
    async with dispatcher.conn:
        run_id = await launch(service)
        for task in await dispatcher.take(run_id, *(step.id for step in wide[:30])):
            said = failed(task, "overloaded", failure_class="transient")
            await service.tasks.report(task.task_id, said)
        for task in await dispatcher.take(run_id, *(step.id for step in wide[30:])):
            await service.tasks.report(task.task_id, done(task))
        await lapse(fresh_database, service, run_id)
        assert await dispatcher.finish(service, run_id) == "completed"
    await replicas.stop(service)

    all_, hot = (await updates(fresh_database))["flow_steps"]
    print(f"HOT: {hot} of {all_} updates of steps with a wave of retries")  # noqa: T201
    assert hot >= 0.8 * all_


MILLION = """
INSERT INTO tasks (run_id, step_no, attempt, project_id, step_key, kind, queue, agent, mode_id,
                   total_seconds)
SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 0, 1, 1, 's', 'code', 'code',
       '', 'plan', 1
  FROM generate_series(%s::int, %s::int) AS n
"""


async def explained(conn: AsyncConnection[Any]) -> tuple[set[str], set[str], int]:
    """The indexes and the scanned tables of a claim's plan, and the blocks that it touched."""
    ((body, config),) = await (
        await conn.execute("SELECT prosrc, proconfig FROM pg_proc WHERE proname = 'claim_v1'")
    ).fetchall()
    for setting in config:
        name, _, value = setting.partition("=")
        if name != "search_path":
            await conn.execute("SELECT set_config(%s, %s, true)", (name, value))
    sql = re.search(r"RETURN QUERY(.*?);\s*END", body, re.DOTALL)
    assert sql is not None
    text = sql[1]
    for number, name in enumerate(("p_worker", "p_queues", "p_count"), start=1):
        text = text.replace(name, f"${number}")
    await conn.execute(f"PREPARE c (uuid, text[], integer) AS {text}".encode())
    explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE c ('{uuid4()}', '{{code}}', 10)"
    ((plan,),) = await (await conn.execute(explain.encode())).fetchall()
    nodes = list(walk(plan[0]["Plan"]))
    indexes = {node["Index Name"] for node in nodes if "Index Name" in node}
    scanned = {node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"}
    return indexes, scanned, plan[0]["Plan"]["Shared Hit Blocks"]


def walk(node: dict[str, Any]) -> Any:
    yield node
    for child in node.get("Plans", ()):
        yield from walk(child)


@pytest.mark.unsound
async def test_a_claim_goes_by_index_at_any_size(
    fresh_database: Database, log_lines: LogLines
) -> None:
    """C5: with none, ten thousand and a million finished tasks: one plan, the same few blocks."""
    assert log_lines == []
    replicas = Replicas(fresh_database.addresses)
    flow = a_flow(*(agent(f"w{n}") for n in range(30)))
    service = await replicas.start(a_library(flow))
    await launch(service)
    await fresh_database.sql("UPDATE task_queue SET queue = 'code'")
    await replicas.stop(service)
    dispatcher = await a_dispatcher(fresh_database)
    await dispatcher.conn.close()

    touched: list[int] = []
    for first, last in ((0, 0), (1, 10_000), (10_001, 1_000_000)):
        if last:
            await fresh_database.sql(MILLION, (first, last))
        async with (
            await fresh_database.connect("admin") as conn,
            conn.transaction(force_rollback=True),
        ):
            indexes, scanned, blocks = await explained(conn)
        assert "task_queue_offered_idx" in indexes
        assert "tasks_pkey" in indexes
        assert scanned == set()
        touched.append(blocks)

    assert max(touched) <= touched[0] + 40, f"blocks touched: {touched}"


@pytest.mark.unsound
async def test_an_old_snapshot_does_not_make_claims_slow(
    fresh_database: Database, log_lines: LogLines
) -> None:
    """C1: while somebody keeps a transaction open, dead entries pile up; a claim stays bounded."""
    assert log_lines == []
    replicas = Replicas(fresh_database.addresses)
    flow = a_flow(*(code(f"c{n}", *([f"c{n - 1}"] if n else [])) for n in range(20)))
    service = await replicas.start(a_library(flow))
    async with await fresh_database.connect("admin") as holder, holder.transaction():
        await holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        await holder.execute("SELECT count(*) FROM task_queue")
        for run_id in [await launch(service) for _ in range(10)]:
            assert await ended(service, run_id) == "completed"
        await replicas.stop(service)
        await fresh_database.sql("VACUUM task_queue")
        dead = await fresh_database.value(
            "SELECT pg_relation_size('task_queue_offered_idx') / 8192"
        )

        async with (
            await fresh_database.connect("admin") as conn,
            conn.transaction(force_rollback=True),
        ):
            indexes, scanned, blocks = await explained(conn)

    assert ("task_queue_offered_idx" in indexes, scanned) == (True, set())
    assert blocks <= 600, f"{blocks} blocks touched, the index has {dead}"
