"""Calls that are still at work when something ends: the code, the run, or nothing but a pause."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher, done, failed
from fixtures.libraries import agent
from fixtures.runs import ended, launch, run_row, steps
from fixtures.services import Replicas
from fixtures.steering import pause, resume, said, stop, tale, tasks
from fixtures.waiting import until
from flowrunner.core import inputs as inp
from flowrunner.core.decision import Verdict
from flowrunner.core.model import Ref, RunId
from flowrunner.db.payloads import ref_of
from flowrunner.definitions.context import Context
from flowrunner.engine.letters import Answer, Told
from integration.engine.calls import calling, returned

pytestmark = pytest.mark.anyio


async def test_code_that_calls_for_ever_comes_to_an_end(
    replicas: Replicas, database: Database, monkeypatch: pytest.MonkeyPatch, dispatcher: Dispatcher
) -> None:
    """D2-13: a step makes so many calls and no more; those that are still at work are stopped."""
    monkeypatch.setattr("flowrunner.core.settling.MAX_CALLS", 5)

    async def body(ctx: Context) -> object:
        return await asyncio.gather(*(ctx.agent(None, f"p{n}") for n in range(9)))

    service = await replicas.start(calling(body))
    run_id = await launch(service)

    assert await ended(service, run_id) == "failed"
    error = (await run_row(database, run_id))["error"]
    assert error["code"] == "too_many_calls"
    assert len(await tasks(database, run_id)) <= 6
    assert await dispatcher.claim() == []


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What code waits for between its calls; the test's end lets it go."""
    event = threading.Event()
    yield event
    event.set()


async def test_calls_go_on_in_a_run_that_is_paused(
    replicas: Replicas, database: Database, dispatcher: Dispatcher, gate: threading.Event
) -> None:
    """F38: what is at work goes on, answers too; a new call waits for the run to go on."""

    async def body(ctx: Context) -> object:
        first = await ctx.agent(None, "p", key="first")
        gate.set()
        second = await ctx.agent(None, "p", key="second")
        return [first.output, second.output]

    service = await replicas.start(calling(body))
    run_id = await launch(service)
    (task,) = await dispatcher.take(run_id, "v/first")
    await pause(service, run_id)
    await service.tasks.report(task.task_id, done(task, "one"))
    await until(gate.is_set)
    await until(lambda: known(database, run_id, "v/second"))
    assert await dispatcher.claim() == []
    assert (await steps(database, run_id))["v/second"] == "pending"

    await resume(service, run_id)
    (task,) = await dispatcher.take(run_id, "v/second")
    await service.tasks.report(task.task_id, done(task, "two"))
    assert await ended(service, run_id) == "completed"
    assert await returned(database, run_id) == ["one", "two"]


async def known(database: Database, run_id: RunId, key: str) -> bool:
    return key in await steps(database, run_id)


@pytest.mark.parametrize("how", ["cancel", "stop", "sibling"])
async def test_code_that_waits_for_a_call_is_unwound_whatever_it_catches(
    replicas: Replicas, database: Database, dispatcher: Dispatcher, how: str
) -> None:
    """P12, D2-13: its thread ends although it catches every Exception; its call is withdrawn."""
    ends: list[str] = []

    async def body(ctx: Context) -> object:
        try:
            try:
                await ctx.agent(None, "p", key="k")
            except Exception:  # noqa: BLE001  # as careless authors do
                ends.append("caught")
            ends.append("went on")
            return 1
        finally:
            ends.append("unwound")

    on_fail = "tolerate" if how == "stop" else "fail"
    service = await replicas.start(calling(body, agent("other"), on_fail=on_fail))
    run_id = await launch(service)
    call, other = await dispatcher.take(run_id, "v/k", "other")
    if how == "cancel":
        await service.runs.cancel(run_id, "enough", "ann")
    elif how == "stop":
        assert await stop(service, run_id, 0) is Verdict.ACCEPTED
    else:
        await service.tasks.report(other.task_id, failed(other))

    await until(lambda: ends)
    assert ends == ["unwound"]
    assert (await steps(database, run_id))["v/k"] == "cancelled"
    assert (await service.tasks.report(call.task_id, done(call))).verdict != "accepted"
    if how == "stop":
        await service.tasks.report(other.task_id, done(other))
        assert await ended(service, run_id) == "completed"
        (failure,) = await said(database, run_id, "step.failed")
        assert failure["error"]["code"] == "stopped"


async def test_one_call_may_be_stopped_and_the_code_goes_on(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """D2-11, D2-13: a stopped call is a failed one: a value that says so."""

    async def body(ctx: Context) -> object:
        result = await ctx.agent(None, "p", key="k")
        return [result.status, dict(result.error or {})]

    service = await replicas.start(calling(body))
    run_id = await launch(service)
    (call,) = await dispatcher.take(run_id, "v/k")
    assert await stop(service, run_id, call.step_no) is Verdict.ACCEPTED

    assert await ended(service, run_id) == "completed"
    status, error = await returned(database, run_id)
    assert (status, error["code"]) == ("failed", "stopped")


async def test_a_call_of_an_attempt_that_is_over_is_refused(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """P2, D2-17: a zombie cannot ask: neither by attempt nor by lease."""

    async def body(ctx: Context) -> object:
        return (await ctx.agent(None, "p", key="k")).output

    service = await replicas.start(calling(body))
    run_id = await launch(service)
    (call,) = await dispatcher.take(run_id, "v/k")
    ref = ref_of(b"late")
    epoch = await database.value("SELECT max(epoch) FROM task_queue WHERE queue = 'code'")
    for attempt, lease in ((1, epoch + 1000), (2, epoch), (0, epoch)):
        asked = inp.CallAsked(0, attempt, lease, "late", Ref(ref))
        letter = Told(Answer(asked, {ref: b"late"}))
        assert await service.residents.deliver(run_id, letter) is Verdict.LATE

    await service.tasks.report(call.task_id, done(call))
    assert await ended(service, run_id) == "completed"
    assert await tale(database, run_id, "call.requested") == ["call.requested v"]


async def test_code_that_does_not_wait_for_its_call_leaves_none_behind(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """D2-07: what nobody waits for any more is stopped with the step."""

    async def body(ctx: Context) -> object:
        calls = [asyncio.ensure_future(ctx.agent(None, "p", key=key)) for key in "ab"]
        await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        return "enough"

    service = await replicas.start(calling(body))
    run_id = await launch(service)
    a, _b = await dispatcher.take(run_id, "v/a", "v/b")
    await service.tasks.report(a.task_id, done(a))

    assert await ended(service, run_id) == "completed"
    assert await steps(database, run_id) == {
        "v": "completed",
        "v/a": "completed",
        "v/b": "cancelled",
    }
