"""Approvals in whole runs: asked once, decided once, by people, or by nobody in time (D2-10)."""

from __future__ import annotations

import asyncio
import json
from typing import Literal

import pytest

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher, done
from fixtures.libraries import a_flow, a_library, agent, code
from fixtures.runs import ended, lapse, launch, report, run_row, steps
from fixtures.services import Replicas
from fixtures.steering import ANN, asked, decide, said, tale
from fixtures.waiting import until
from flowrunner.core.errors import FlowRunnerError
from flowrunner.core.model import RunId
from flowrunner.definitions.flow import Step
from flowrunner.service.approvals import AlreadyDecidedError, ExpiredError
from flowrunner.wire.approvals import DecisionBody
from integration.engine.gates import Budget, drafted, gate, gated, until_asked

pytestmark = pytest.mark.anyio


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
