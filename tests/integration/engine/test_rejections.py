"""What a rejection means: the end, a no among other results, or back to an earlier step."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher, done
from fixtures.libraries import a_flow, a_library, agent
from fixtures.runs import ended, launch, report, run_row, steps
from fixtures.services import Replicas
from fixtures.steering import ANN, asked, decide, tasks
from fixtures.waiting import until
from flowrunner.definitions.context import Context
from flowrunner.definitions.flow import Flow
from integration.engine.gates import drafted, gate, gated, shown, until_asked

pytestmark = pytest.mark.anyio


async def test_a_rejection_stops_the_run(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """D2-10, D2-07, F41: the step fails as rejected, with the reason; nothing is left at work."""
    service = await replicas.start(a_library(gated()))
    run_id = await launch(service)
    draft, _beside = await dispatcher.take(run_id, "draft", "beside")
    await service.tasks.report(draft.task_id, done(draft))
    await until_asked(service, run_id)
    await decide(service, run_id, "reject", comment="too long")

    assert await ended(service, run_id) == "failed"
    error = (await run_row(database, run_id))["error"]
    assert (error["code"], "too long" in error["message"]) == ("approval_rejected", True)
    assert (await steps(database, run_id))["beside"] == "cancelled"
    assert (await report(database, run_id))["partial"] is True


async def test_a_rejection_may_let_the_run_go_on(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """F41: whoever follows sees that it was rejected, by whom and why."""
    service = await replicas.start(a_library(gated(on_reject="continue")))
    run_id = await launch(service)
    await drafted(service, dispatcher, run_id)
    await decide(service, run_id, "reject", comment="no")

    assert await dispatcher.finish(service, run_id) == "completed"
    gate_ = (await report(database, run_id))["gate"]
    assert (gate_["approved"], gate_["actor"], gate_["comment"]) == (False, ANN, "no")


def redone(ctx: Context) -> str:
    return f"draft; said so far: {[(each.step, each.comment) for each in ctx.decided]}"


def sent_back(**asks: Any) -> Flow:
    return a_flow(
        agent("draft", run=redone),
        gate("draft", on_reject="redo", redo_from="draft", **asks),
        agent("beside"),
        render=shown,
    )


async def test_a_rejection_sends_the_run_back_and_its_reason_along(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """F41: redone with the reason at hand, asked anew; what is beside goes on; old ones stay."""
    service = await replicas.start(a_library(sent_back()))
    run_id = await launch(service)
    draft, beside = await dispatcher.take(run_id, "draft", "beside")
    await service.tasks.report(draft.task_id, done(draft, "first"))
    await until_asked(service, run_id)
    await decide(service, run_id, "reject", comment="shorter, please")

    (again,) = await dispatcher.take(run_id, "draft", attempt=2)
    assert (again.input or b"").decode() == "draft; said so far: [('gate', 'shorter, please')]"
    await service.tasks.report(again.task_id, done(again, "second"))
    await until_asked(service, run_id, 2)
    (line,) = await asked(service, run_id)
    assert line.body_md.endswith("second")
    await decide(service, run_id)
    assert (await service.tasks.report(beside.task_id, done(beside))).verdict == "accepted"

    assert await ended(service, run_id) == "completed"
    assert await tasks(database, run_id) == {"draft": 2, "beside": 1}
    assert len(await asked(service, run_id, "rejected", "approved")) == 2


async def test_a_run_is_sent_back_so_often_and_no_more(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """F41: after `max_redos` a rejection stops the run, and says how often it was redone."""
    service = await replicas.start(a_library(sent_back(max_redos=2)))
    run_id = await launch(service)
    await dispatcher.take(run_id, "beside")
    for attempt in (1, 2, 3):
        (draft,) = await dispatcher.take(run_id, "draft", attempt=attempt)
        await service.tasks.report(draft.task_id, done(draft))
        await until_asked(service, run_id, attempt)
        await decide(service, run_id, "reject", comment="no")

    assert await ended(service, run_id) == "failed"
    message = (await run_row(database, run_id))["error"]["message"]
    assert f"rejected by {ANN} after 2 redos: no" in message


@pytest.fixture
def door() -> Iterator[threading.Event]:
    """What slow user code waits for; the test's end lets it go."""
    event = threading.Event()
    yield event
    event.set()


async def test_a_prompt_that_was_being_built_when_the_run_was_sent_back_is_built_anew(
    replicas: Replicas, dispatcher: Dispatcher, door: threading.Event
) -> None:
    """F41: what slow user code made of a result that does not count any more is forgotten."""
    seen: list[object] = []

    def slow(ctx: Context) -> str:
        seen.append(ctx.results["draft"])
        if len(seen) == 1:
            door.wait(8)
        return f"about {ctx.results['draft']}"

    flow = a_flow(
        agent("draft"),
        gate("draft", on_reject="redo", redo_from="draft"),
        agent("slow", "draft", run=slow),
    )
    service = await replicas.start(a_library(flow))
    run_id = await launch(service)
    (draft,) = await dispatcher.take(run_id, "draft")
    await service.tasks.report(draft.task_id, done(draft, "old"))
    await until(lambda: seen)
    await until_asked(service, run_id)
    await decide(service, run_id, "reject", comment="no")
    (draft,) = await dispatcher.take(run_id, "draft", attempt=2)
    await service.tasks.report(draft.task_id, done(draft, "new"))
    door.set()

    (task,) = await dispatcher.take(run_id, "slow")
    assert task.input == b"about new"
    await service.runs.cancel(run_id, "enough", "ann")
