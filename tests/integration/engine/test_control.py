"""Pause, resume, stop, retry and render again, in whole runs: each idempotent, each refusing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, Literal

import pytest

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher, done, failed, stopped
from fixtures.libraries import a_flow, a_library, agent, code
from fixtures.runs import ended, lapse, launch, report, run_row, steps
from fixtures.services import Replicas
from fixtures.steering import (
    asked,
    decide,
    offered,
    pause,
    rerender,
    resume,
    retry,
    said,
    stop,
    tale,
    tasks,
)
from fixtures.waiting import until
from flowrunner.bootstrap.service import Service
from flowrunner.core.decision import Verdict
from flowrunner.core.model import RunId
from flowrunner.definitions.context import Context, Report, ReportContext
from flowrunner.definitions.flow import Each, Flow, Repeat, Retry, Step

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


DIAMOND = a_flow(agent("a"), agent("b", "a"), agent("c", "a"), agent("d", "b", "c"))


async def through(
    service: Service, dispatcher: Dispatcher, run_id: RunId, *words: str, attempt: int = 1
) -> None:
    """Let steps end: `key` well, `key!` badly."""
    for word in words:
        (task,) = await dispatcher.take(run_id, word.rstrip("!"), attempt=attempt)
        said_ = failed(task) if word.endswith("!") else done(task, f"{word}{attempt}")
        await service.tasks.report(task.task_id, said_)


async def test_what_failed_is_retried_and_what_is_done_stands(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """F40, R2-17: the failed branch and what follows run again; the finished one does not."""
    service = await replicas.start(a_library(DIAMOND))
    run_id = await launch(service)
    await through(service, dispatcher, run_id, "a", "b", "c!")
    assert await ended(service, run_id) == "failed"
    assert (await steps(database, run_id))["d"] == "cancelled"

    assert await retry(service, run_id) is Verdict.ACCEPTED
    assert await retry(service, run_id) is Verdict.LATE
    await through(service, dispatcher, run_id, "c", attempt=2)
    (d,) = await dispatcher.take(run_id, "d")
    assert d.input == b"d(b=b1, c=c2)"
    await service.tasks.report(d.task_id, done(d))

    assert await ended(service, run_id) == "completed"
    assert await tasks(database, run_id) == {"a": 1, "b": 1, "c": 2, "d": 1}
    assert (await run_row(database, run_id))["generation"] == 2
    (begun,) = await said(database, run_id, "run.retried")
    assert (begun["generation"], begun["actor"], begun["reason"]) == (2, "ann", "again")


async def test_a_run_begins_anew_from_the_middle_of_a_diamond(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """F40: from `b`: `b` and `d` again, `a` and `c` not; the old attempts stay in the log."""
    service = await replicas.start(a_library(DIAMOND))
    run_id = await launch(service)
    await through(service, dispatcher, run_id, "a", "b", "c", "d")
    assert await ended(service, run_id) == "completed"
    first = (await run_row(database, run_id))["report_ref"]

    assert await retry(service, run_id, 1) is Verdict.ACCEPTED
    assert (await run_row(database, run_id))["status"] == "running"
    await through(service, dispatcher, run_id, "b", "d", attempt=2)

    assert await ended(service, run_id) == "completed"
    assert await tasks(database, run_id) == {"a": 1, "b": 2, "c": 1, "d": 2}
    ends = await tale(database, run_id, "step.completed")
    assert [line.split()[1] for line in ends] == ["a", "b", "c", "d", "b", "d"]
    outputs = [each["output"] for each in await said(database, run_id, "step.completed")]
    assert len(set(outputs)) == 6, "each attempt's own"
    bodies = await database.sql(
        "SELECT body FROM payloads WHERE encode(ref, 'hex') = ANY(%s)", (outputs,)
    )
    assert {body for (body,) in bodies} == {b"a1", b"b1", b"c1", b"d1", b"b2", b"d2"}
    assert first is not None


async def test_only_the_failed_members_of_a_list_are_retried(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """F40, F13: the list is gathered anew from the old results and the new ones."""
    flow = a_flow(agent("list", each=Each(two, quorum=2)), render=listed)
    service = await replicas.start(a_library(flow))
    run_id = await launch(service)
    await through(service, dispatcher, run_id, "list[x]", "list[y]!")
    assert await ended(service, run_id) == "failed"

    await retry(service, run_id)
    await through(service, dispatcher, run_id, "list[y]", attempt=2)

    assert await ended(service, run_id) == "completed"
    assert await tasks(database, run_id) == {"list[x]": 1, "list[y]": 2}
    assert (await report(database, run_id))["list"] == ["list[x]1", "list[y]2"]


def listed(ctx: ReportContext) -> Report:
    said_: Any = ctx.results.get("list")
    return Report("#", data={"list": said_})


@pytest.mark.parametrize("restarted", [False, True], ids=["resident", "restarted"])
async def test_a_retry_needs_no_memory_of_the_run(
    replicas: Replicas, dispatcher: Dispatcher, database: Database, restarted: object
) -> None:
    """F40, P3: loops, calls, waits and lists begin anew, on this replica or on another."""

    async def calls(ctx: Context) -> object:
        return (await ctx.agent(None, "p", key="k")).value

    flow = a_flow(
        agent("a"),
        code("calls", "a", run=calls),
        agent("loop", "a", repeat=Repeat(twice)),
        Step("nap", kind="wait", needs=["a"], run=0.01),
        agent("list", "a", each=Each(two)),
    )
    service = await replicas.start(a_library(flow))
    run_id = await launch(service)
    assert await dispatcher.finish(service, run_id) == "completed"
    once = await tasks(database, run_id)
    if restarted:
        await replicas.stop(service)
        service = await replicas.start(a_library(flow))

    await retry(service, run_id, 0)

    assert await dispatcher.finish(service, run_id) == "completed"
    assert await tasks(database, run_id) == {key: 2 * count for key, count in once.items()}
    assert (await report(database, run_id))["ok"] == ["a", "calls", "loop", "nap", "list"]


@pytest.mark.parametrize("how", ["completed", "failed", "cancelled"])
async def test_the_report_of_an_ended_run_is_rendered_again(
    replicas: Replicas, database: Database, dispatcher: Dispatcher, how: str
) -> None:
    """D2-32, F46: once per asking, of whatever there is; no step is touched, the end stands."""
    rendered: list[bool] = []

    def render(ctx: ReportContext) -> Report:
        rendered.append(ctx.partial)
        return Report(f"# {len(rendered)}", data={"n": len(rendered), "ok": list(ctx.census.ok)})

    service = await replicas.start(a_library(a_flow(agent("a"), agent("b", "a"), render=render)))
    run_id = await launch(service)
    assert await rerender(service, run_id) is Verdict.LATE
    await through(service, dispatcher, run_id, "a")
    if how == "cancelled":
        await service.runs.cancel(run_id, "enough", "ann")
    else:
        await through(service, dispatcher, run_id, "b" if how == "completed" else "b!")
    assert await ended(service, run_id) == how
    before, finished = len(rendered), (await run_row(database, run_id))["finished_at"]

    assert await rerender(service, run_id) is Verdict.ACCEPTED
    assert await rerender(service, run_id) is Verdict.ACCEPTED

    await until(lambda: rendered_times(database, run_id, 2))
    row = await run_row(database, run_id)
    assert (row["status"], row["finished_at"]) == (how, finished)
    assert (await report(database, run_id))["n"] == before + 2
    assert rendered[-1] is (how != "completed")
    assert {e["actor"] for e in await said(database, run_id, "run.rendered")} == {"ann"}


async def rendered_times(database: Database, run_id: RunId, count: int) -> bool:
    return len(await said(database, run_id, "run.rendered")) == count


async def test_a_report_that_cannot_be_rendered_again_leaves_the_old_one(
    replicas: Replicas, database: Database
) -> None:
    """D2-08, D2-32: an event says why."""
    tries: list[int] = []

    def render(_ctx: ReportContext) -> Report:
        tries.append(1)
        if len(tries) > 1:
            raise ValueError("no more")
        return Report("# one", data={"n": 1})

    flow: Flow = a_flow(code("a"), render=render)
    service = await replicas.start(a_library(flow))
    run_id = await launch(service)
    assert await ended(service, run_id) == "completed"
    await rerender(service, run_id)

    (event,) = await until(lambda: said(database, run_id, "run.rendered"))
    assert "ValueError: no more" in event["error"]["message"]
    assert (await report(database, run_id))["n"] == 1
    assert (await run_row(database, run_id))["status"] == "completed"
