"""Whatever is lost on the way, people hear what became of that which they asked for."""

from __future__ import annotations

import pytest

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher
from fixtures.libraries import a_flow, a_library, agent
from fixtures.proxy import Fate, Proxy
from fixtures.runs import events, launch
from fixtures.services import Replicas

pytestmark = pytest.mark.anyio

FATES: list[Fate] = ["question_lost", "answer_lost"]
COMMIT = "FROM apply_v"


@pytest.mark.parametrize("fate", FATES)
async def test_what_was_done_is_not_told_as_too_late(
    proxy: Proxy, replicas: Replicas, database: Database, dispatcher: Dispatcher, fate: Fate
) -> None:
    """P3, P12, D2-34: a cancel, a retry and a stop, each once, though nobody heard of its commit.

    Done again instead of looked up, each would meet its own effect and be refused as too late.
    """
    service = await replicas.start(a_library(a_flow(agent("a"))), addresses=proxy.addresses)
    run_id = await launch(service)
    await dispatcher.take(run_id, "a")

    proxy.doom(fate, COMMIT)
    cancelled = await service.runs.cancel(run_id, "not needed", "ann")
    assert (cancelled.status.value, cancelled.was_live, proxy.has_struck) == (
        "cancelled",
        True,
        True,
    )
    proxy.doom(fate, COMMIT)
    retried, generation = await service.control.retry(run_id, None, "again", "ann")
    assert (retried.changed, generation, proxy.has_struck) == (True, 2, True)
    await dispatcher.take(run_id, "a", attempt=2)
    proxy.doom(fate, COMMIT)
    stopped = await service.control.stop_step(run_id, "a", "enough", "ann")
    assert (stopped.changed, proxy.has_struck) == (True, True)

    types = [row.type for row in await events(database, run_id)]
    assert [types.count(each) for each in ("run.cancelled", "run.retried", "step.failed")] == [
        1,
        1,
        1,
    ]
