"""Approvals in whole runs: asked once, decided once, by people, or by nobody in time (D2-10)."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher, done
from fixtures.libraries import a_flow, a_library, agent, code, told
from fixtures.runs import ended, lapse, launch, report, run_row, steps
from fixtures.services import Replicas
from fixtures.steering import ANN, asked, decide, said, tale, tasks
from fixtures.waiting import until
from flowrunner.bootstrap.service import Service
from flowrunner.core.errors import FlowRunnerError
from flowrunner.core.model import RunId
from flowrunner.definitions.context import Context, Report, ReportContext
from flowrunner.definitions.flow import Approval, Flow, Step
from flowrunner.service.approvals import AlreadyDecidedError, ExpiredError
from flowrunner.wire.approvals import DecisionBody

pytestmark = pytest.mark.anyio


class Budget(BaseModel):
    dollars: int
    why: str = ""


def question(ctx: Context) -> str:
    return f"# Ship it?\n\n{ctx.results.get('draft')}"


def gate(*needs: str, **asks: Any) -> Step:
    options = {key: asks.pop(key) for key in ("on_fail", "label") if key in asks}
    return Step(
        "gate", kind="approval", needs=needs, run=question, approval=Approval(**asks), **options
    )


def shown(ctx: ReportContext) -> Report:
    data: Any = {**dict(told(ctx).data), "gate": ctx.results.get("gate")}  # type: ignore[arg-type]
    return Report("#", data=data)


def gated(**asks: Any) -> Flow:
    """A draft, a question about it, and what follows; beside it a branch that nobody approves."""
    return a_flow(
        agent("draft"),
        gate("draft", **asks),
        agent("ship", "gate", run=lambda ctx: f"ship: {json.dumps(ctx.results.get('gate'))}"),
        agent("beside"),
        agent("after", "beside"),
        render=shown,
    )


async def drafted(service: Service, dispatcher: Dispatcher, run_id: RunId) -> None:
    """Bring the run as far as it gets without a decision."""
    for task in await dispatcher.take(run_id, "draft", "beside"):
        await service.tasks.report(task.task_id, done(task))
    (after,) = await dispatcher.take(run_id, "after")
    await service.tasks.report(after.task_id, done(after))
    await until_asked(service, run_id)


async def until_asked(service: Service, run_id: RunId, times: int = 1) -> None:
    async def is_asked() -> bool:
        return len(await asked(service, run_id, "open", "rejected", "approved")) >= times

    await until(is_asked)


async def test_other_ready_work_goes_on_beside_an_open_question(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """D2-10, R2-27, F41: asked once, whatever else happens; nothing but what needs it waits."""
    service = await replicas.start(a_library(gated()))
    run_id = await launch(service)
    draft, beside = await dispatcher.take(run_id, "draft", "beside")
    await service.tasks.report(draft.task_id, done(draft, "words"))
    await until_asked(service, run_id)
    await service.tasks.report(beside.task_id, done(beside))
    (after,) = await dispatcher.take(run_id, "after")
    await service.tasks.report(after.task_id, done(after))

    assert await tale(database, run_id, "approval.requested") == ["approval.requested gate"]
    found = await steps(database, run_id)
    assert (found["gate"], found["ship"], found["after"]) == ("blocked", "pending", "completed")
    (line,) = await asked(service, run_id)
    assert (line.title, line.body_md) == ("Ship it?", "# Ship it?\n\nwords")

    await decide(service, run_id, comment="fine")
    (ship,) = await dispatcher.take(run_id, "ship")
    expected: dict[str, object] = {"approved": True, "actor": ANN, "comment": "fine", "values": {}}
    assert json.loads((ship.input or b"").decode().removeprefix("ship: ")) == expected
    await service.tasks.report(ship.task_id, done(ship))
    assert await ended(service, run_id) == "completed"


async def test_values_reach_the_steps_that_follow_as_the_form_has_them(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """F42: filled in by the form's own rules, kept with who said so."""
    service = await replicas.start(a_library(gated(form=Budget)))
    run_id = await launch(service)
    await drafted(service, dispatcher, run_id)
    with pytest.raises(FlowRunnerError):
        await decide(service, run_id, values={"dollars": "many"})
    await decide(service, run_id, values={"dollars": 7})

    assert await dispatcher.finish(service, run_id) == "completed"
    gate_ = (await report(database, run_id))["gate"]
    assert gate_["values"] == {"dollars": 7, "why": ""}


Policy = Literal["fail", "approve", "continue"]


@pytest.mark.parametrize(
    ("policy", "status", "gate_"),
    [
        ("fail", "failed", None),
        ("approve", "completed", True),
        ("continue", "completed", False),
    ],
)
async def test_nobody_decides_in_time(
    replicas: Replicas,
    database: Database,
    dispatcher: Dispatcher,
    policy: Policy,
    status: str,
    gate_: object,
) -> None:
    """F43, D2-10: each policy; whoever decides afterwards is told that it is over."""
    service = await replicas.start(a_library(gated(expires="1h", on_expiry=policy)))
    run_id = await launch(service)
    await drafted(service, dispatcher, run_id)
    (line,) = await asked(service, run_id)
    assert line.expires_at is not None
    await lapse(database, service, run_id)

    async def is_over() -> bool:
        return not await asked(service, run_id)

    await until(is_over)
    with pytest.raises(ExpiredError):
        await service.approvals.decide(line.id, DecisionBody(decision="approve"), ANN)
    assert await dispatcher.finish(service, run_id) == status
    told_ = await report(database, run_id)
    assert (told_["gate"]["approved"] if told_["gate"] else None) is gate_
    if gate_ is None:
        assert (await run_row(database, run_id))["error"]["code"] == "approval_expired"


async def test_an_open_question_is_repeated_until_it_is_answered(
    replicas: Replicas, database: Database
) -> None:
    """F43: each reminder sets the next one; none follows the decision."""
    service = await replicas.start(a_library(a_flow(gate(remind="1h"))))
    run_id = await launch(service)
    await until_asked(service, run_id)

    for count in (1, 2, 3):
        await lapse(database, service, run_id)
        await until(lambda: reminders(database, run_id, count))  # noqa: B023  # awaited here
    await decide(service, run_id)

    assert await ended(service, run_id) == "completed"
    assert await database.value("SELECT count(*) FROM flow_timers") == 0
    assert [each["count"] for each in await said(database, run_id, "approval.reminded")] == [
        1,
        2,
        3,
    ]


async def reminders(database: Database, run_id: RunId, count: int) -> bool:
    return len(await tale(database, run_id, "approval.reminded")) == count


async def test_two_people_decide_at_once_on_two_replicas(
    replicas: Replicas, database: Database
) -> None:
    """D2-10, P5, F42: exactly one decision stands; the other learns who decided, what, and when."""
    library = a_library(a_flow(gate(on_reject="continue")))
    one, two = await replicas.start(library), await replicas.start(library)
    for _ in range(10):
        run_id = await launch(one)
        await until_asked(one, run_id)

        answers = await asyncio.gather(
            decide(one, run_id, "approve", "ann"),
            decide(two, run_id, "reject", "bob", comment="no"),
            return_exceptions=True,
        )

        won = [each for each in answers if not isinstance(each, BaseException)]
        lost = [each for each in answers if isinstance(each, AlreadyDecidedError)]
        assert (len(won), len(lost)) == (1, 1)
        by, what = won[0].decided_by, {"approve": "approved", "reject": "rejected"}
        assert f"already {what[won[0].decision]} by {by} at 20" in str(lost[0])
        assert await ended(two, run_id) == "completed"
        assert len(await said(database, run_id, "approval.decided")) == 1


async def test_a_decision_that_is_repeated_is_answered_alike(replicas: Replicas) -> None:
    """D2-10, P1: the same person, the same word: nothing is done twice, and it is no error."""
    service = await replicas.start(a_library(a_flow(gate(), agent("next", "gate"))))
    run_id = await launch(service)
    await until_asked(service, run_id)
    (line,) = await asked(service, run_id)
    body = DecisionBody(decision="approve")

    first = await service.approvals.decide(line.id, body, "ann")
    again = await service.approvals.decide(line.id, body, "ann")

    assert (first.replayed, again.replayed) == (False, True)
    assert first.decided_at == again.decided_at
    with pytest.raises(AlreadyDecidedError):
        await service.approvals.decide(line.id, body, "bob")
    await service.runs.cancel(run_id, "enough", "ann")


async def test_a_question_outlives_the_replica_that_asked(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """D2-10, P3: it is open after a restart, with its form and expiry, and asked no second time."""
    flow = gated(form=Budget, expires="1h")
    before = await replicas.start(a_library(flow))
    run_id = await launch(before)
    await drafted(before, dispatcher, run_id)
    (line,) = await asked(before, run_id)
    await replicas.stop(before)

    after = await replicas.start(a_library(flow))
    assert await asked(after, run_id) == [line]
    await decide(after, run_id, values={"dollars": 1})

    assert await dispatcher.finish(after, run_id) == "completed"
    assert len(await said(database, run_id, "approval.requested")) == 1


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


async def test_a_question_that_cannot_be_asked_fails_its_step(
    replicas: Replicas, database: Database
) -> None:
    """D2-05: the author's function raised, or returned nothing to read."""
    steps_ = {
        "ZeroDivisionError": Step("gate", kind="approval", run=lambda _ctx: 1 / 0),
        "question": Step("gate", kind="approval", run=lambda _ctx: " "),
    }
    for words, step in steps_.items():
        service = await replicas.start(a_library(a_flow(step)))
        run_id = await launch(service)
        assert await ended(service, run_id) == "failed"
        assert words in (await run_row(database, run_id))["error"]["message"]
        await replicas.stop(service)


async def test_a_cancelled_run_leaves_no_question_open(
    replicas: Replicas, database: Database
) -> None:
    """D2-10e, P12: it is withdrawn, its timers are gone, and deciding says so."""
    service = await replicas.start(a_library(a_flow(gate(expires="1h", remind="1m"), code("c"))))
    run_id = await launch(service)
    await until_asked(service, run_id)
    (line,) = await asked(service, run_id)
    await service.runs.cancel(run_id, "enough", "ann")

    assert await database.value("SELECT count(*) FROM flow_timers") == 0
    assert [each.status for each in await asked(service, run_id, "withdrawn")] == ["withdrawn"]
    with pytest.raises(FlowRunnerError, match="withdrawn"):
        await service.approvals.decide(line.id, DecisionBody(decision="approve"), ANN)
