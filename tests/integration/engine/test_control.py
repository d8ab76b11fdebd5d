"""Pause, resume and stop, in whole runs: each idempotent, each refusing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, Literal

import pytest

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher, done, failed, stopped
from fixtures.libraries import a_flow, a_library, agent, code
from fixtures.runs import ended, lapse, launch, steps
from fixtures.services import Replicas
from fixtures.steering import (
    asked,
    decide,
    offered,
    pause,
    resume,
    said,
    stop,
    tale,
    tasks,
)
from fixtures.waiting import until
from flowrunner.core.decision import Verdict
from flowrunner.core.model import RunId
from flowrunner.definitions.context import Context
from flowrunner.definitions.flow import Each, Repeat, Retry, Step

pytestmark = pytest.mark.anyio


OVERLOADED: dict[str, Any] = {"code": "overloaded", "failure_class": "transient"}


def two(_ctx: Context) -> list[str]:
    return ["x", "y"]


async def test_nothing_is_offered_while_a_run_is_paused(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """F38: results, timers and decisions arrive; what they make possible waits for the resume."""
    flow = a_flow(
        agent("a"),
        agent("b", "a"),
        agent("flaky", retry=Retry(1)),
        Step("nap", kind="wait", run="1h"),
        agent("woken", "nap"),
        Step("ask", kind="approval", run="ok?"),
        agent("approved", "ask"),
        agent("each", "a", each=Each(two)),
        code("loop", "a", run=lambda ctx: ctx.iteration, repeat=Repeat(twice)),
    )
    service = await replicas.start(a_library(flow))
    run_id = await launch(service)
    a, flaky = await dispatcher.take(run_id, "a", "flaky")
    await until(lambda: asked(service, run_id))

    assert await pause(service, run_id) is Verdict.ACCEPTED
    assert (await service.tasks.report(a.task_id, done(a))).verdict == "accepted"
    await service.tasks.report(flaky.task_id, failed(flaky, **OVERLOADED))
    await lapse(database, service, run_id)
    await until(lambda: has(database, run_id, "step.due flaky", "step.completed nap"))
    await decide(service, run_id)
    assert await offered(database, run_id) == 0
    assert await dispatcher.claim() == []
    found = await steps(database, run_id)
    assert [found[key] for key in ("a", "nap", "ask")] == ["completed"] * 3
    assert {found[key] for key in ("b", "flaky", "woken", "approved", "each")} == {"pending"}

    assert await resume(service, run_id) is Verdict.ACCEPTED
    assert await dispatcher.finish(service, run_id) == "completed"
    assert (await tasks(database, run_id))["flaky"] == 2


def twice(ctx: Context) -> bool:
    return ctx.iteration == 2


async def has(database: Database, run_id: RunId, *lines: str) -> bool:
    return set(lines) <= set(await tale(database, run_id))


async def test_pausing_and_resuming_may_be_repeated(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """F38, P1: twice is once; each is told with its reason and actor."""
    service = await replicas.start(a_library(a_flow(agent("a"))))
    run_id = await launch(service)
    await dispatcher.take(run_id, "a")

    assert await resume(service, run_id) is Verdict.DUPLICATE
    assert await pause(service, run_id) is Verdict.ACCEPTED
    assert await pause(service, run_id, "again") is Verdict.DUPLICATE
    assert await resume(service, run_id) is Verdict.ACCEPTED
    assert await resume(service, run_id) is Verdict.DUPLICATE

    assert await said(database, run_id, "run.paused") == [{"reason": "lunch", "actor": "ann"}]
    assert await said(database, run_id, "run.resumed") == [{"reason": "back", "actor": "ann"}]
    await service.runs.cancel(run_id, "enough", "ann")
    assert await pause(service, run_id) is Verdict.LATE
    assert await resume(service, run_id) is Verdict.LATE


async def test_a_paused_run_may_be_cancelled(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """F38, P12: at once and for good, with what was still at work."""
    service = await replicas.start(a_library(a_flow(agent("a"), agent("b", "a"))))
    run_id = await launch(service)
    (a,) = await dispatcher.take(run_id, "a")
    await pause(service, run_id)
    await service.runs.cancel(run_id, "enough", "ann")

    assert await ended(service, run_id) == "cancelled"
    assert (await service.tasks.report(a.task_id, done(a))).verdict != "accepted"
    assert set((await steps(database, run_id)).values()) == {"cancelled"}


async def test_a_pause_outlives_the_replica(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """F38, P3: nothing that is started afterwards moves it: no launch's ask, no stall detector."""
    flow = a_flow(agent("a"), code("b", "a"))
    before = await replicas.start(a_library(flow))
    run_id = await launch(before)
    (a,) = await dispatcher.take(run_id, "a")
    await pause(before, run_id)
    await before.tasks.report(a.task_id, done(a))
    await replicas.stop(before)
    await database.sql("UPDATE flow_runs SET updated_at = updated_at - interval '1 h'")

    after = await replicas.start(a_library(flow), patience_seconds=0.1)
    await after.reaper.look()
    assert after.reaper.repaired == 0
    assert (await steps(database, run_id))["b"] == "pending"
    await resume(after, run_id)
    assert await ended(after, run_id) == "completed"


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What slow user code waits for; the test's end lets it go."""
    event = threading.Event()
    yield event
    event.set()


async def test_an_answer_that_comes_during_a_pause_is_asked_for_again(
    replicas: Replicas, database: Database, dispatcher: Dispatcher, gate: threading.Event
) -> None:
    """F38: slow user code that was asked before speaks into the pause, and nothing is lost."""
    calls: list[int] = []

    def slow(_ctx: Context) -> str:
        calls.append(1)
        gate.wait(8)
        return "built"

    service = await replicas.start(a_library(a_flow(agent("a", run=slow))))
    run_id = await launch(service)
    await until(lambda: calls)
    await pause(service, run_id)
    gate.set()
    assert await dispatcher.claim() == []
    await resume(service, run_id)

    assert await dispatcher.finish(service, run_id) == "completed"
    assert await tasks(database, run_id) == {"a": 1}


OnFail = Literal["fail", "tolerate", "skip", "cascade"]
STOPPED: dict[OnFail, tuple[str, str]] = {
    "fail": ("failed", "cancelled"),
    "tolerate": ("completed", "completed"),
    "skip": ("completed", "completed"),
    "cascade": ("completed", "skipped"),
}


@pytest.mark.parametrize("on_fail", STOPPED)
async def test_one_step_is_stopped_and_its_policy_decides(
    replicas: Replicas, database: Database, dispatcher: Dispatcher, on_fail: OnFail
) -> None:
    """D2-11, F39: that one, not the run, and it is not tried again; its lease is withdrawn."""
    flow = a_flow(agent("a", on_fail=on_fail, retry=5), agent("b", "a"), agent("c"))
    service = await replicas.start(a_library(flow))
    run_id = await launch(service)
    a, c = await dispatcher.take(run_id, "a", "c")

    assert await stop(service, run_id, a.step_no) is Verdict.ACCEPTED
    assert await stop(service, run_id, a.step_no) is Verdict.LATE
    assert a.epoch in (await dispatcher.renew()).lost
    assert (await service.tasks.report(a.task_id, stopped(a))).verdict != "accepted"
    if on_fail != "fail":
        await service.tasks.report(c.task_id, done(c))
        await dispatcher.finish(service, run_id)

    run, follower = STOPPED[on_fail]
    assert await ended(service, run_id) == run
    found = await steps(database, run_id)
    assert (found["a"], found["b"]) == ("failed", follower)
    (failure,) = await said(database, run_id, "step.failed")
    assert failure["error"]["code"] == "stopped"
    assert failure["error"]["message"] == "stopped by ann: enough"


@pytest.mark.parametrize("kind", ["pending", "delayed", "list", "member", "loop", "nap", "ask"])
async def test_any_live_step_may_be_stopped(
    replicas: Replicas, database: Database, dispatcher: Dispatcher, kind: str
) -> None:
    """D2-11: whatever it waits for: its children, its timers and its question go with it."""
    options: dict[str, Any] = {"on_fail": "tolerate"}
    flow = a_flow(
        agent("first"),
        agent("pending", "first", **options),
        agent("delayed", retry=1, **options),
        agent("list", each=Each(two, quorum=1), **options),
        agent("loop", repeat=Repeat(twice), **options),
        Step("nap", kind="wait", run="1h", **options),
        Step("ask", kind="approval", run="ok?", **options),
    )
    service = await replicas.start(a_library(flow))
    run_id = await launch(service)
    held = await dispatcher.take(run_id, "first", "delayed", "list[x]", "list[y]", "loop[1]")
    delayed = next(task for task in held if task.step_key == "delayed")
    await service.tasks.report(delayed.task_id, failed(delayed, **OVERLOADED))
    await until(lambda: asked(service, run_id))
    key = "list[x]" if kind == "member" else kind
    numbers = await steps(database, run_id, "step_no")

    assert await stop(service, run_id, int(numbers[key])) is Verdict.ACCEPTED
    found = await steps(database, run_id)
    assert found[key] == "failed"
    children = {k: v for k, v in found.items() if k.startswith(f"{key}[")}
    assert set(children.values()) <= {"cancelled"}
    assert kind != "member" or found["list[y]"] == "running"
    await service.runs.cancel(run_id, "enough", "ann")
