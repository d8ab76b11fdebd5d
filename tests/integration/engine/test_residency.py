"""A replica keeps only so many runs at hand; the others are one read away, and none is lost."""

from __future__ import annotations

import asyncio

import pytest

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher, done
from fixtures.libraries import a_flow, a_library, agent, code
from fixtures.runs import ended, launch, steps
from fixtures.services import Replicas

pytestmark = pytest.mark.anyio

CHAIN = a_flow(agent("a"), code("b", "a", run=lambda ctx: ctx.results["a"]), agent("c", "b"))


async def test_many_runs_share_a_small_house(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """P3, F22: runs that were sent away to make room are loaded again when they are told something."""
    service = await replicas.start(a_library(CHAIN), most_resident=2)
    run_ids = [await launch(service) for _ in range(12)]

    for key in ("a", "c"):
        tasks = [(await dispatcher.take(run_id, key))[0] for run_id in run_ids]
        await asyncio.gather(*(service.tasks.report(t.task_id, done(t)) for t in tasks))

    for run_id in run_ids:
        assert await ended(service, run_id) == "completed"
        assert set((await steps(database, run_id)).values()) == {"completed"}
    assert service.residents.loads >= 10


async def test_a_run_is_heard_though_all_others_are_busy(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """P3: who comes last is not the one that is sent away to make room for itself."""
    service = await replicas.start(a_library(a_flow(agent("a"))), most_resident=1)
    run_ids = [await launch(service) for _ in range(4)]
    tasks = {task.run_id: task for task in await dispatcher.claim()}

    async with await database.connect("admin") as holder:
        async with holder.transaction():
            await holder.execute("SELECT FROM flow_runs FOR UPDATE")
            telling = [
                asyncio.create_task(service.tasks.report(tasks[r].task_id, done(tasks[r])))
                for r in run_ids
            ]
            await asyncio.wait(telling, timeout=0.2)
            assert [task for task in telling if task.done()] == []
        replies = await asyncio.gather(*telling)

    assert {reply.verdict for reply in replies} == {"accepted"}
