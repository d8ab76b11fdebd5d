"""A run is pinned to its flow: what changed under it is told, never silently used."""

from __future__ import annotations

import pytest

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher, done
from fixtures.libraries import a_flow, a_library, agent, code
from fixtures.runs import ended, launch, run_row, steps
from fixtures.services import Replicas
from fixtures.waiting import until
from flowrunner.definitions.context import Context
from flowrunner.definitions.flow import Step
from flowrunner.definitions.library import Library

pytestmark = pytest.mark.anyio


def always(_ctx: Context) -> bool:
    return True


SECOND = [agent("b", "a"), code("b", "a"), code("b", "a", when=always)]


@pytest.mark.parametrize("second", SECOND)
@pytest.mark.parametrize("change", ["gone", "changed"])
async def test_a_flow_that_is_gone_or_changed_fails_its_runs(
    replicas: Replicas, database: Database, dispatcher: Dispatcher, second: Step, change: str
) -> None:
    """R2-14, D2-21: the finished step stands; the next one says what is wrong and what to do."""
    flow = a_flow(agent("a"), second)
    before = await replicas.start(a_library(flow))
    run_id = await launch(before)
    (a,) = await dispatcher.take(run_id, "a")
    await replicas.stop(before)

    after = await replicas.start(a_library(flow, version="2") if change == "changed" else NONE)
    assert (await after.tasks.report(a.task_id, done(a))).verdict == "accepted"

    assert await ended(after, run_id) == "failed"
    error = (await run_row(database, run_id))["error"]
    code_ = {"gone": "unknown_flow", "changed": "definition_changed"}[change]
    assert error["code"] == code_
    assert (await steps(database, run_id))["a"] == "completed"


NONE = Library({}, {}, (), ())


async def test_a_report_of_a_flow_that_changed_is_not_rendered_by_the_new_one(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """D2-21, P9: not even for the last step: the run fails rather than pass for clean."""
    flow = a_flow(agent("a"))
    before = await replicas.start(a_library(flow))
    run_id = await launch(before)
    (a,) = await dispatcher.take(run_id, "a")
    await replicas.stop(before)

    after = await replicas.start(a_library(flow, version="2"))
    await after.tasks.report(a.task_id, done(a))

    assert await ended(after, run_id) == "failed"
    assert "changed since this run began" in (await run_row(database, run_id))["error"]["message"]


async def test_replicas_of_two_versions_serve_their_own_runs(
    replicas: Replicas, dispatcher: Dispatcher
) -> None:
    """P5, D2-21: a launch is pinned to the version of who launched it."""
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
