"""Cancel sticks, whatever it races with, and takes everything with it."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from uuid import uuid4

import pytest

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher, done, failed
from fixtures.libraries import a_flow, a_library, agent, code
from fixtures.runs import ended, events, launch, steps, told
from fixtures.services import Replicas
from fixtures.waiting import until
from flowrunner.bootstrap.service import Service
from flowrunner.core.errors import ConflictError, NotFoundError
from flowrunner.core.model import RunId
from flowrunner.db.queue import ClaimedTask
from flowrunner.definitions.context import Context

pytestmark = pytest.mark.anyio


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What user code waits for; the test's end lets it go."""
    event = threading.Event()
    yield event
    event.set()


async def test_a_cancel_ends_everything_at_once(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """R2-48, P6, P12, F37: held, offered, delayed and waiting steps end; leases are lost; no row stays."""
    flow = a_flow(agent("a"), agent("b", retry=1), agent("c", "a"), agent("d"), deadline=600)
    service = await replicas.start(a_library(flow))
    run_id = await launch(service)
    a, b, d = await dispatcher.take(run_id, "a", "b", "d")
    await service.tasks.report(b.task_id, failed(b, "overloaded", failure_class="transient"))
    await dispatcher.conn.execute("SELECT release_v1(%s, %s)", (dispatcher.worker_id, [d.epoch]))

    cancelled = await service.runs.cancel(run_id, "not needed", "ann")

    assert (cancelled.status.value, cancelled.was_live) == ("cancelled", True)
    assert set((await steps(database, run_id)).values()) == {"cancelled"}
    assert a.epoch in (await dispatcher.renew()).lost
    assert await dispatcher.claim() == []
    last = (await events(database, run_id))[-1]
    assert (last.type, last.body) == ("run.cancelled", {"reason": "not needed", "actor": "ann"})


async def test_cancelling_again_is_harmless_and_cancelling_too_late_is_told(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """R2-48: the second cancel changes nothing; a run that ended otherwise says how."""
    service = await replicas.start(a_library(a_flow(agent("a"))))
    first, second = await launch(service), await launch(service)
    await service.runs.cancel(first, "", "")
    lines = await told(database, first)

    again = await service.runs.cancel(first, "really", "bob")

    assert (again.was_live, await told(database, first)) == (False, lines)
    assert await dispatcher.finish(service, second) == "completed"
    with pytest.raises(ConflictError, match="completed before"):
        await service.runs.cancel(second, "", "")
    with pytest.raises(NotFoundError):
        await service.runs.cancel(RunId(uuid4()), "", "")


async def test_a_cancel_and_the_last_result_race(
    replicas: Replicas, dispatcher: Dispatcher
) -> None:
    """P12, D2-12, D2-33: 200 times, both orders, on one replica and on two: one of them wins."""
    library = a_library(a_flow(agent("a")))
    one, two = await replicas.start(library), await replicas.start(library)
    ends: Counter[tuple[str, str, str]] = Counter()
    for round_ in range(20):
        run_ids = [await launch((one, two)[round_ % 2]) for _ in range(10)]
        for n, run_id in enumerate(run_ids):
            (task,) = await dispatcher.take(run_id, "a")
            rival = (one, two)[n % 2]
            race = [cancel(one, run_id), complete(rival, task)]
            answers = await asyncio.gather(*(race if n % 4 < 2 else reversed(race)))
            said, heard = sorted(answers)
            ends[said, heard, await ended(one, run_id)] += 1

    assert sum(ends.values()) == 200
    assert set(ends) <= {
        ("cancel: stuck", "result: stale", "cancelled"),
        ("cancel: too late", "result: accepted", "completed"),
        ("cancel: stuck", "result: accepted", "cancelled"),
    }
    assert {status for _, _, status in ends} == {"cancelled", "completed"}


async def cancel(service: Service, run_id: RunId) -> str:
    try:
        await service.runs.cancel(run_id, "race", "test")
    except ConflictError:
        return "cancel: too late"
    return "cancel: stuck"


async def complete(service: Service, task: ClaimedTask) -> str:
    return f"result: {(await service.tasks.report(task.task_id, done(task))).verdict}"


async def test_a_cancel_while_a_prompt_is_built_lets_nothing_begin(
    replicas: Replicas, database: Database, dispatcher: Dispatcher, gate: threading.Event
) -> None:
    """D2-12: the prompt comes too late: no task, no event after the end."""
    asked = threading.Event()

    def slow(_ctx: Context) -> str:
        asked.set()
        gate.wait(60)
        return "too late"

    service = await replicas.start(a_library(a_flow(agent("a"), agent("b", run=slow))))
    run_id = await launch(service)
    await until(asked.is_set)

    await service.runs.cancel(run_id, "", "")
    gate.set()
    other = await launch(service)
    assert await dispatcher.finish(service, other) == "completed"

    assert (await told(database, run_id))[-1].startswith("run cancelled")
    assert await steps(database, run_id, "attempt") == {"a": "1", "b": "0"}


async def test_a_cancel_abandons_code_that_runs(
    replicas: Replicas, database: Database, gate: threading.Event
) -> None:
    """P12: the engine's own workers lose their leases too, and what the code says is not heard."""
    running = threading.Event()

    def slow(_ctx: Context) -> str:
        running.set()
        gate.wait(60)
        return "too late"

    quick = a_flow(code("a"), name="quick")
    library = a_library(a_flow(code("a", run=slow)), quick)
    service = await replicas.start(library, code_slots=1)
    run_id = await launch(service)
    await until(running.is_set)

    await service.runs.cancel(run_id, "", "")

    # The only slot is free again, though the thread is not.
    assert await ended(service, await launch(service, "quick")) == "completed"
    gate.set()
    assert await ended(service, await launch(service)) == "completed"
    assert (await told(database, run_id))[-1].startswith("run cancelled")


async def test_a_cancel_is_heard_by_other_machines_at_once(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """P12: holders are told to renew now; they do not have to wait for their next renewal."""
    service = await replicas.start(a_library(a_flow(agent("a"))))
    run_id = await launch(service)
    await dispatcher.take(run_id, "a")

    async with await database.connect("dispatcher") as ears:
        await ears.execute("LISTEN leases_lost")
        await service.runs.cancel(run_id, "", "")
        heard = [notify.channel async for notify in ears.notifies(timeout=5, stop_after=1)]

    assert heard == ["leases_lost"]
