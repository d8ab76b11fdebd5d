"""Steps with `each`: one child per member, in any order, and a list in the members' order."""

from __future__ import annotations

import pytest

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher, done, failed
from fixtures.libraries import a_flow, a_library, agent
from fixtures.runs import ended, lapse, launch, report, run_row, steps
from fixtures.services import Replicas
from fixtures.steering import offered, said, tale, tasks
from flowrunner.definitions.context import Context
from flowrunner.definitions.flow import Each
from integration.engine.lists import about, listing

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("size", [0, 1, 7])
async def test_a_list_of_any_length_ends_with_its_results_in_order(
    replicas: Replicas, database: Database, dispatcher: Dispatcher, size: int
) -> None:
    """F13: one child per member, whatever ends first; none at all is a list without results."""
    names = [f"m{n}" for n in range(size)]
    service = await replicas.start(a_library(listing(*names)))
    run_id = await launch(service)

    if names:
        held = await dispatcher.take(run_id, *(f"review[{name}]" for name in names))
        for task in reversed(held):
            await service.tasks.report(task.task_id, done(task, f"{task.step_key} is fine"))

    assert await ended(service, run_id) == "completed"
    assert (await report(database, run_id))["said"] == [f"review[{n}] is fine" for n in names]
    assert {t.step_key: (t.input or b"").decode() for t in dispatcher.held.values()} == {
        f"review[{name}]": f'{name}: "{name}"' for name in names
    }


async def test_a_member_that_fails_fails_the_list_and_stops_the_others(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """F13, F37, D2-07: without a quorum all must complete; nothing is left at work."""
    service = await replicas.start(a_library(listing("a", "b", "c")))
    run_id = await launch(service)
    a, b, c = await dispatcher.take(run_id, "review[a]", "review[b]", "review[c]")
    await service.tasks.report(a.task_id, done(a))
    await service.tasks.report(b.task_id, failed(b, message="too hard"))

    assert await ended(service, run_id) == "failed"
    assert (await service.tasks.report(c.task_id, done(c))).verdict != "accepted"
    assert await steps(database, run_id) == {
        "files": "completed",
        "review": "failed",
        "review[a]": "completed",
        "review[b]": "failed",
        "review[c]": "cancelled",
    }
    assert (await run_row(database, run_id))["error"]["code"] == "children_failed"
    told_ = await report(database, run_id)
    assert ["review[b]", "failed", "too hard"] in told_["children"]
    assert told_["failed"] == ["review", "review[b]"]


@pytest.mark.parametrize("quorum", [2, 0.5], ids=["count", "share"])
async def test_a_quorum_bears_failures_and_says_so(
    replicas: Replicas, database: Database, dispatcher: Dispatcher, quorum: float
) -> None:
    """F14, F46, D2-32: enough completed: the list holds those, in order, and the run is degraded."""
    service = await replicas.start(a_library(listing("a", "b", "c", quorum=quorum)))
    run_id = await launch(service)
    a, b, c = await dispatcher.take(run_id, "review[a]", "review[b]", "review[c]")
    await service.tasks.report(c.task_id, done(c, "see"))
    await service.tasks.report(b.task_id, failed(b))
    await service.tasks.report(a.task_id, done(a, "ay"))

    assert await ended(service, run_id) == "completed"
    told_ = await report(database, run_id)
    assert (told_["said"], told_["failed"]) == (["ay", "see"], ["review[b]"])
    assert (await run_row(database, run_id))["tolerated"] == 1
    (end,) = await said(database, run_id, "run.completed")
    assert end["degraded"] is True


async def test_a_quorum_that_cannot_be_met_any_more_fails_at_once(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """F14, D2-07: two of three must complete, two failed: the third is not waited for."""
    service = await replicas.start(a_library(listing("a", "b", "c", quorum=2, on_fail="tolerate")))
    run_id = await launch(service)
    a, b, _c = await dispatcher.take(run_id, "review[a]", "review[b]", "review[c]")
    await service.tasks.report(a.task_id, failed(a))
    await service.tasks.report(b.task_id, failed(b))

    assert await ended(service, run_id) == "completed"
    found = await steps(database, run_id)
    assert (found["review"], found["review[c]"]) == ("failed", "cancelled")
    assert (await run_row(database, run_id))["tolerated"] > 0


async def test_a_list_that_is_too_long_fails_its_step(
    replicas: Replicas, database: Database
) -> None:
    """F14: overflow="fail" says how long it is and how long it may be."""
    service = await replicas.start(a_library(listing(1, 2, 3, max_items=2)))
    run_id = await launch(service)

    assert await ended(service, run_id) == "failed"
    error = (await run_row(database, run_id))["error"]
    assert error["code"] == "too_many_items"
    assert "3 members, at most 2" in error["message"]
    assert await tasks(database, run_id) == {"files": 1}


async def test_a_list_that_is_too_long_may_be_cut_and_says_so(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """F14, P9: overflow="first" takes the first and records how many were left out."""
    service = await replicas.start(a_library(listing("a", "b", "c", max_items=2, overflow="first")))
    run_id = await launch(service)

    assert await dispatcher.finish(service, run_id) == "completed"
    (expanded,) = await said(database, run_id, "step.expanded")
    assert (expanded["total"], expanded["dropped"], expanded["keys"]) == (3, 1, ["a", "b"])


async def test_a_member_is_tried_again_by_itself(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """F13, F30: the step's retry is each member's: the others are not touched by it."""
    service = await replicas.start(a_library(listing("a", "b", retry=2)))
    run_id = await launch(service)
    a, b = await dispatcher.take(run_id, "review[a]", "review[b]")
    await service.tasks.report(b.task_id, failed(b, "overloaded", failure_class="transient"))
    await service.tasks.report(a.task_id, done(a, "ay"))
    await lapse(database, service, run_id)
    (again,) = await dispatcher.take(run_id, "review[b]", attempt=2)
    await service.tasks.report(again.task_id, done(again, "bee"))

    assert await ended(service, run_id) == "completed"
    assert (await report(database, run_id))["said"] == ["ay", "bee"]
    assert await tasks(database, run_id) == {"files": 1, "review[a]": 1, "review[b]": 2}
    assert again.input == b.input


async def test_no_more_members_are_at_work_than_the_window_lets(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """F14, D2-25: `parallel` bounds what is offered; each end lets the next one go, in order."""
    names = [f"m{n}" for n in range(7)]
    service = await replicas.start(a_library(listing(*names, parallel=3, quorum=1)))
    run_id = await launch(service)
    await dispatcher.take(run_id, "review[m0]", "review[m1]", "review[m2]")
    assert await offered(database, run_id) == 3

    for count in range(7):
        task = dispatcher.held[run_id, f"review[m{count}]"]
        said_ = failed(task) if count % 3 == 0 else done(task)
        await service.tasks.report(task.task_id, said_)
        left = min(3, 6 - count)
        await dispatcher.take(run_id, *(f"review[m{count + n + 1}]" for n in range(left)))
        assert await offered(database, run_id) == left

    assert await ended(service, run_id) == "completed"


async def test_a_member_whose_prompt_raises_fails_alone(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """D2-05, F14: with a quorum the others go on."""

    def picky(ctx: Context) -> str:
        if ctx.item == "b":
            raise ValueError("not this one")
        return about(ctx)

    flow = a_flow(agent("review", run=picky, each=Each(lambda _ctx: ["a", "b"], quorum=1)))
    service = await replicas.start(a_library(flow))
    run_id = await launch(service)

    assert await dispatcher.finish(service, run_id) == "completed"
    found = await steps(database, run_id)
    assert found == {"review": "completed", "review[a]": "completed", "review[b]": "failed"}
    assert len(await tale(database, run_id, "step.failed")) == 1


async def test_a_guard_says_no_once_for_the_whole_list(
    replicas: Replicas, database: Database
) -> None:
    """R2-24, F13: `when` is asked for the step, not for each member."""
    calls: list[int] = []

    def never(_ctx: Context) -> bool:
        calls.append(1)
        return False

    service = await replicas.start(a_library(listing("a", "b", when=never)))
    run_id = await launch(service)

    assert await ended(service, run_id) == "completed"
    assert await steps(database, run_id) == {"files": "completed", "review": "skipped"}
    assert calls == [1]
