"""What has ended begins anew, from what failed or from a step; or is rendered once more."""

from __future__ import annotations

from typing import Any

import pytest

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher, done, failed
from fixtures.libraries import a_flow, a_library, agent, code
from fixtures.runs import ended, launch, report, run_row, steps
from fixtures.services import Replicas
from fixtures.steering import (
    rerender,
    retry,
    said,
    tale,
    tasks,
)
from fixtures.waiting import until
from flowrunner.bootstrap.service import Service
from flowrunner.core.decision import Verdict
from flowrunner.core.model import RunId
from flowrunner.definitions.context import Context, Report, ReportContext
from flowrunner.definitions.flow import Each, Flow, Repeat, Step

pytestmark = pytest.mark.anyio


def two(_ctx: Context) -> list[str]:
    return ["x", "y"]


def twice(ctx: Context) -> bool:
    return ctx.iteration == 2


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
