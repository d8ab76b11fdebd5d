"""Steps with `repeat`: done again until it is enough, a bounded number of times."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher, done, failed
from fixtures.libraries import a_flow, a_library, agent, code
from fixtures.runs import ended, lapse, launch, report, run_row, steps
from fixtures.services import Replicas
from fixtures.steering import tale, tasks
from flowrunner.definitions.context import Context, Report, ReportContext
from flowrunner.definitions.flow import Flow, Repeat

pytestmark = pytest.mark.anyio


def polish(ctx: Context) -> str:
    return f"{ctx.iteration}: {ctx.previous}"


def is_good(ctx: Context) -> bool:
    return "good" in str(ctx.previous)


def shown(ctx: ReportContext) -> Report:
    said: Any = ctx.results.get("polish")
    children = [[c.key, c.status] for c in ctx.outcomes["polish"].children]
    after: Any = ctx.results.get("after")
    return Report("#", data={"said": said, "children": children, "after": after})  # pyright: ignore[reportArgumentType]  # JSON all the same


def loop(*, retry: int = 0, **options: Any) -> Flow:
    options.setdefault("until", is_good)
    return a_flow(
        agent("polish", run=polish, repeat=Repeat(**options), retry=retry),
        code("after", "polish", run=lambda ctx: str(ctx.results["polish"])),
        render=shown,
    )


async def test_a_loop_ends_when_it_is_good(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """F15: each iteration sees the one before; the last one's result is the step's."""
    service = await replicas.start(a_library(loop()))
    run_id = await launch(service)
    for number, said in ((1, "bad"), (2, "good")):
        (task,) = await dispatcher.take(run_id, f"polish[{number}]")
        assert task.input == (b"1: None" if number == 1 else b"2: bad")
        await service.tasks.report(task.task_id, done(task, said))

    assert await ended(service, run_id) == "completed"
    told = await report(database, run_id)
    assert (told["said"], told["after"]) == ("good", "good")
    assert told["children"] == [["polish[1]", "completed"], ["polish[2]", "completed"]]
    assert await tale(database, run_id, "step.iterated") == ["step.iterated polish"] * 2


Exhausted = Literal["fail", "complete"]


@pytest.mark.parametrize("exhausted", ["fail", "complete"])
async def test_a_loop_that_is_never_good_comes_to_an_end(
    replicas: Replicas, database: Database, dispatcher: Dispatcher, exhausted: Exhausted
) -> None:
    """F15: after `at_most` iterations the step fails, or keeps the last result."""
    service = await replicas.start(a_library(loop(at_most=3, on_exhausted=exhausted)))
    run_id = await launch(service)
    status = await dispatcher.finish(service, run_id)

    assert await tasks(database, run_id) == {
        **{f"polish[{n}]": 1 for n in (1, 2, 3)},
        **({"after": 1} if exhausted == "complete" else {}),
    }
    if exhausted == "fail":
        error = (await run_row(database, run_id))["error"]
        assert (status, error["code"]) == ("failed", "loop_exhausted")
    else:
        assert status == "completed"
        assert (await report(database, run_id))["said"] == "polish[3] says"


async def test_a_condition_that_raises_fails_the_step(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """D2-05: it is asked once, after the first iteration, and its words are told."""

    def broken(_ctx: Context) -> bool:
        raise LookupError("where?")

    service = await replicas.start(a_library(loop(until=broken)))
    run_id = await launch(service)

    assert await dispatcher.finish(service, run_id) == "failed"
    error = (await run_row(database, run_id))["error"]
    assert error["code"] == "definition_error"
    assert "until of demo/polish raised LookupError: where?" in error["message"]
    assert await tasks(database, run_id) == {"polish[1]": 1}


async def test_an_iteration_is_tried_again_before_it_fails_the_loop(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """F15, F30: its attempts are one iteration; one that fails for good is the step's failure."""
    service = await replicas.start(a_library(loop(retry=1)))
    run_id = await launch(service)
    (task,) = await dispatcher.take(run_id, "polish[1]")
    await service.tasks.report(task.task_id, failed(task, failure_class="transient"))
    await lapse(database, service, run_id)
    (task,) = await dispatcher.take(run_id, "polish[1]", attempt=2)
    await service.tasks.report(task.task_id, done(task, "bad"))
    (task,) = await dispatcher.take(run_id, "polish[2]")
    await service.tasks.report(task.task_id, failed(task))

    assert await ended(service, run_id) == "failed"
    assert await steps(database, run_id) == {
        "polish": "failed",
        "after": "cancelled",
        "polish[1]": "completed",
        "polish[2]": "failed",
    }


async def test_a_loop_goes_on_where_it_was_on_another_replica(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """F15, P3: no iteration is done twice, and the one before is still known."""
    before = await replicas.start(a_library(loop()))
    run_id = await launch(before)
    (task,) = await dispatcher.take(run_id, "polish[1]")
    await replicas.stop(before)
    after = await replicas.start(a_library(loop()))
    await after.tasks.report(task.task_id, done(task, "bad"))
    (task,) = await dispatcher.take(run_id, "polish[2]")
    assert task.input == b"2: bad"
    await after.tasks.report(task.task_id, done(task, "good"))

    assert await ended(after, run_id) == "completed"
    assert (await tasks(database, run_id))["polish[1]"] == 1


async def test_a_loop_of_code_may_be_long(replicas: Replicas, database: Database) -> None:
    """F15: two hundred iterations, each sees the one before."""
    flow = a_flow(
        code("count", run=count, repeat=Repeat(lambda ctx: ctx.previous == 200, at_most=500)),
        render=lambda ctx: Report("", data={"n": ctx.results["count"]}),  # pyright: ignore[reportArgumentType]  # a number
    )
    service = await replicas.start(a_library(flow))
    run_id = await launch(service)

    assert await ended(service, run_id, 30.0) == "completed"
    assert await report(database, run_id) == {"n": 200}


def count(ctx: Context) -> int:
    return (ctx.previous or 0) + 1
