"""A run is pinned to its flow: what changed under it is told, never silently used."""

from __future__ import annotations

import pytest

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher, done
from fixtures.libraries import a_flow, a_library, agent, code
from fixtures.runs import ended, launch, report, steps
from fixtures.services import Replicas
from fixtures.steering import offered, rerender, resume, said, tale, tasks
from fixtures.waiting import until
from flowrunner.bootstrap.service import Service
from flowrunner.core.model import RunId
from flowrunner.definitions.context import Context
from flowrunner.definitions.flow import Step
from flowrunner.definitions.library import Library

pytestmark = pytest.mark.anyio

NONE = Library({}, {}, (), ())


def always(_ctx: Context) -> bool:
    return True


SECOND = [agent("b", "a"), code("b", "a"), code("b", "a", when=always)]
WHY = {"gone": "there is no flow 'demo' any more", "changed": "flow 'demo' changed since"}


@pytest.mark.parametrize("second", SECOND, ids=["agent", "code", "guarded"])
@pytest.mark.parametrize("change", ["gone", "changed"])
async def test_a_flow_that_is_gone_or_changed_pauses_its_runs_until_it_is_back(
    replicas: Replicas, database: Database, dispatcher: Dispatcher, second: Step, change: str
) -> None:
    """R2-14, D2-21, F5: its text is not stored; the finished step stands, and what is due waits."""
    flow = a_flow(agent("a"), second)
    before = await replicas.start(a_library(flow))
    run_id = await launch(before)
    (a,) = await dispatcher.take(run_id, "a")
    await replicas.stop(before)

    after = await replicas.start(a_library(flow, version="2") if change == "changed" else NONE)
    assert (await after.tasks.report(a.task_id, done(a))).verdict == "accepted"
    assert await pauses(after, database, run_id) == 1
    (why,) = [each["reason"] for each in await said(database, run_id, "run.paused")]
    assert why.startswith(f"definition_changed: {WHY[change]}")
    assert await steps(database, run_id) == {"a": "completed", "b": "pending"}
    await replicas.stop(after)

    again = await replicas.start(a_library(flow))
    await resume(again, run_id)
    assert await dispatcher.finish(again, run_id) == "completed"
    assert (await tasks(database, run_id))["a"] == 1


async def pauses(service: Service, database: Database, run_id: RunId) -> int:
    """Wait until the run is paused; return how often it was."""

    async def is_paused() -> bool:
        return (await service.runs.head(run_id)).status.value == "paused"

    await until(is_paused)
    return len(await tale(database, run_id, "run.paused"))


async def test_a_code_step_without_its_flow_is_handed_back_and_no_crash(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """D2-21, L8: a run that is resumed too early pauses again, and it costs its step nothing."""
    flow = a_flow(agent("a"), code("b", "a"))
    before = await replicas.start(a_library(flow))
    run_id = await launch(before)
    (a,) = await dispatcher.take(run_id, "a")
    await replicas.stop(before)
    service = await replicas.start(a_library(flow, version="2"))
    await service.tasks.report(a.task_id, done(a))

    for times in range(1, 6):
        assert await pauses(service, database, run_id) == times
        assert await offered(database, run_id) == 0
        await resume(service, run_id)

    assert await pauses(service, database, run_id) == 6
    assert (await steps(database, run_id, "crashes"))["b"] == "0"
    await replicas.stop(service)
    again = await replicas.start(a_library(flow))
    await resume(again, run_id)
    assert await ended(again, run_id) == "completed"


async def test_a_report_of_a_flow_that_changed_is_not_rendered_by_the_new_one(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """D2-21, P9: not even for the last step: the run waits rather than pass for clean."""
    flow = a_flow(agent("a"))
    before = await replicas.start(a_library(flow))
    run_id = await launch(before)
    (a,) = await dispatcher.take(run_id, "a")
    await replicas.stop(before)

    after = await replicas.start(a_library(flow, version="2"))
    await after.tasks.report(a.task_id, done(a))
    await pauses(after, database, run_id)
    await replicas.stop(after)

    again = await replicas.start(a_library(flow))
    await resume(again, run_id)
    assert await ended(again, run_id) == "completed"
    assert (await report(database, run_id))["ok"] == ["a"]


async def test_an_ended_run_of_a_flow_that_changed_says_why_it_has_no_other_report(
    replicas: Replicas, database: Database
) -> None:
    """D2-32, D2-21: what was asked for is answered, by an event, and the old report stands."""
    flow = a_flow(code("a"))
    before = await replicas.start(a_library(flow))
    run_id = await launch(before)
    assert await ended(before, run_id) == "completed"
    first = await report(database, run_id)
    await replicas.stop(before)

    after = await replicas.start(NONE)
    await rerender(after, run_id)

    (event,) = await until(lambda: said(database, run_id, "run.rendered"))
    assert event["error"]["code"] == "definition_changed"
    assert await report(database, run_id) == first


async def test_replicas_of_two_versions_serve_their_own_runs(
    replicas: Replicas, dispatcher: Dispatcher
) -> None:
    """P5, D2-21, F5: a launch is pinned to the version of who launched it."""
    flow = a_flow(agent("a"))
    old = await replicas.start(a_library(flow))
    new = await replicas.start(a_library(flow, version="2"))
    first, second = await launch(old), await launch(new)

    (a,) = await dispatcher.take(first, "a")
    (b,) = await dispatcher.take(second, "a")
    await old.tasks.report(a.task_id, done(a))
    await new.tasks.report(b.task_id, done(b))

    assert [await ended(old, first), await ended(old, second)] == ["completed", "completed"]


async def test_a_prompt_that_is_stored_needs_no_flow(
    replicas: Replicas, dispatcher: Dispatcher, database: Database
) -> None:
    """R2-51: a task that was lost with its worker is offered again from what is stored."""
    before = await replicas.start(a_library(a_flow(agent("a"))))
    run_id = await launch(before)
    (lost,) = await dispatcher.take(run_id, "a")
    await replicas.stop(before)
    await dispatcher.die()

    after = await replicas.start(NONE)
    await until(lambda: after.reaper.lost)
    await dispatcher.register()
    (again,) = await dispatcher.take(run_id, "a", attempt=2)

    assert (again.attempt, again.input) == (2, lost.input)
    assert (await steps(database, run_id))["a"] == "running"
