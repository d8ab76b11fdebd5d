"""What moving a run costs, counted: requests on the wire, commits, rows read, bytes of WAL."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher, a_dispatcher, done
from fixtures.libraries import a_flow, a_library, agent, code
from fixtures.proxy import Proxy
from fixtures.runs import ended, launch
from fixtures.services import Replicas
from fixtures.waiting import until
from flowrunner.bootstrap.service import Service
from flowrunner.core.model import RunId
from flowrunner.db.queue import ClaimedTask
from flowrunner.engine.alarms import Alarms

pytestmark = pytest.mark.anyio

# Loops look rarely, so that what is counted is what the run costs; those that look all the same
# are known by their tables, and new connections of a pool by their greeting.
QUIET: dict[str, Any] = {
    "notify_mode": "off",
    "poll_seconds": 60,
    "reap_seconds": 60,
    "lease_seconds": 120,
    "renew_seconds": 60,
}
BACKGROUND = re.compile(
    "flow_timers|expires_at|task_results|live_runs|renew_v2|partitions_v1|set_config"
)
WIDE = a_flow(*(agent(f"w{n}") for n in range(100)), agent("z", *(f"w{n}" for n in range(100))))
PAIR = a_flow(agent("a"), agent("b", "a"), name="pair")


@pytest.fixture
async def service(proxy: Proxy, replicas: Replicas) -> Service:
    """A quiet replica behind a wire that counts, with its connections and plans warm."""
    made = await replicas.start(a_library(WIDE, PAIR), addresses=proxy.addresses, **QUIET)
    for flow in ("pair", "demo") * 6:
        await made.runs.cancel(await launch(made, flow), "warm", "")
    return made


def said(proxy: Proxy) -> list[str]:
    """What was asked of the database since `forget`, one statement for each round trip."""
    statements = [each for each in proxy.statements if not BACKGROUND.search(each)]
    assert proxy.round_trips == len(proxy.statements) + len(proxy.prepared)
    return [re.sub(r"\s+", " ", each).strip().split("(")[0] for each in statements]


LAUNCH = "SELECT run_id, request_hash, replayed, taken FROM launch_v2"
APPLY = "SELECT run_id, verdict, stale, taken FROM apply_v2"


async def test_a_launch_is_one_round_trip_and_one_commit(
    proxy: Proxy, service: Service, database: Database
) -> None:
    """D2-06: a hundred first steps with their prompts and tasks: one statement, one transaction."""
    proxy.forget()

    run_id = await launch(service)

    assert said(proxy) == [LAUNCH]
    assert await transactions(database, run_id) == 1
    assert await database.value("SELECT count(*) FROM tasks WHERE run_id = %s", (run_id,)) == 100


async def transactions(database: Database, run_id: RunId) -> int:
    """How many transactions wrote what the run's rows are now."""
    query = " UNION ".join(
        f"SELECT xmin::text FROM {table} WHERE {'id' if table == 'flow_runs' else 'run_id'} = %(r)s"  # noqa: S608
        for table in (
            "flow_runs",
            "flow_run_meta",
            "flow_steps",
            "tasks",
            "task_queue",
            "live_runs",
            "flow_step_events",
        )
    )
    async with await database.connect("admin") as conn:
        return len(await (await conn.execute(query.encode(), {"r": run_id})).fetchall())


async def test_a_claim_is_one_round_trip_and_one_commit_for_its_batch(
    proxy: Proxy, service: Service, database: Database
) -> None:
    """P2: fifty tasks with their prompts in one statement."""
    run_id = await launch(service)
    dispatcher = await a_dispatcher(database)
    async with dispatcher.conn:
        before = await database.value("SELECT count(DISTINCT xmin::text) FROM task_queue")
        proxy.forget()

        claimed = await dispatcher.claim(50)

        after = await database.value("SELECT count(DISTINCT xmin::text) FROM task_queue")
    assert (len(claimed), {bool(task.input) for task in claimed}) == (50, {True})
    assert (before, after) == (1, 2)
    assert claimed[0].run_id == run_id


async def test_a_batch_of_results_is_one_round_trip_and_one_commit(
    proxy: Proxy, service: Service, database: Database, dispatcher: Dispatcher
) -> None:
    """A1, A2: a hundred results and the step that they make possible; nothing is read for it."""
    run_id = await launch(service)
    tasks = await dispatcher.take(run_id, *(f"w{n}" for n in range(100)))
    proxy.forget()

    await report_all(service, tasks)

    assert said(proxy) == [APPLY]
    assert service.residents.loads == 0
    written = "SELECT count(DISTINCT xmin::text) FROM flow_steps WHERE run_id = %s"
    assert await database.value(written, (run_id,)) == 1
    assert await dispatcher.claim() != []


async def test_results_of_many_runs_share_commits(
    proxy: Proxy, service: Service, dispatcher: Dispatcher
) -> None:
    """A2: forty runs move at once in a handful of statements."""
    run_ids = [await launch(service, "pair") for _ in range(40)]
    tasks = await dispatcher.claim()
    assert {task.run_id for task in tasks} == set(run_ids)
    proxy.forget()

    await report_all(service, tasks)

    assert set(said(proxy)) == {APPLY}
    assert len(said(proxy)) <= 4


async def test_a_step_of_a_resident_run_is_one_round_trip(
    proxy: Proxy, service: Service, dispatcher: Dispatcher
) -> None:
    """A1: complete and advance, one by one: one statement each, and no row is read."""
    run_id = await launch(service)
    tasks = await dispatcher.take(run_id, *(f"w{n}" for n in range(20)))
    proxy.forget()

    for task in tasks:
        await service.tasks.report(task.task_id, done(task))

    assert said(proxy) == [APPLY] * 20
    assert service.residents.loads == 0


@pytest.mark.parametrize("mode", ["off", "coalesced"])
async def test_code_costs_a_commit_and_nothing_else(
    proxy: Proxy, replicas: Replicas, database: Database, mode: str
) -> None:
    """D2-14, N10: a chain of code steps: each commit hands the next step to the runner beside it.

    Nobody claims, nobody is told of a task that is taken; the runner goes on looking now and then.
    """
    chain = a_flow(*(code(f"s{n}", *([f"s{n - 1}"] if n else [])) for n in range(20)))
    settings = QUIET | {"notify_mode": mode}
    service = await replicas.start(a_library(chain), addresses=proxy.addresses, **settings)
    for _ in range(2):
        await ended(service, await launch(service))
    proxy.forget()

    run_id = await launch(service)
    await until(lambda: is_over(database))

    asked = [each for each in said(proxy) if "claim_v1" not in each]
    assert asked == [LAUNCH] + [APPLY] * 20
    claims = [each for each in proxy.statements if "claim_v1" in each]
    assert len(claims) <= 2
    assert not any("tasks_new" in each for each in proxy.statements)
    assert (service.residents.loads, await transactions(database, run_id) > 1) == (0, True)


async def test_looking_for_timers_where_none_is_due_is_one_statement(
    proxy: Proxy, service: Service
) -> None:
    """DESIGN section 6: an idle replica asks the database little."""
    alarms = Alarms(service.pool, service.residents)
    proxy.forget()

    await alarms.look()

    assert len([each for each in proxy.statements if "flow_timers" in each]) == 1


async def is_over(database: Database) -> bool:
    """Look past the wire that counts."""
    return await database.value("SELECT count(*) FROM live_runs") == 0


async def report_all(service: Service, tasks: list[ClaimedTask]) -> None:
    await asyncio.gather(*(service.tasks.report(task.task_id, done(task)) for task in tasks))
