"""What becomes of a result: applied once, refused when late, and never a way to stick a run."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import uuid4

import pytest
from pydantic import BaseModel, ConfigDict, field_validator

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher, a_dispatcher, done, failed, stopped
from fixtures.libraries import a_flow, a_library, agent
from fixtures.runs import ended, lapse, launch, run_row, steps, told
from fixtures.services import Replicas
from flowrunner.core.errors import NotFoundError
from flowrunner.wire.tasks import TaskReport

pytestmark = pytest.mark.anyio

PAIR = a_flow(agent("a"), agent("b", "a"))


async def test_a_result_sent_twice_is_applied_once(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """P1, D2-34, F35: the second time is answered like the first, and nothing happens."""
    service = await replicas.start(a_library(PAIR))
    run_id = await launch(service)
    (a,) = await dispatcher.take(run_id, "a")

    first = await service.tasks.report(a.task_id, done(a, "once"))
    lines = await told(database, run_id)
    second = await service.tasks.report(a.task_id, done(a, "once"))

    assert (first.verdict, second.verdict) == ("accepted", "accepted")
    assert await told(database, run_id) == lines


@pytest.mark.parametrize("say", [done, failed, stopped])
async def test_the_last_result_sent_twice_is_answered_alike(
    replicas: Replicas, database: Database, dispatcher: Dispatcher, say: Any
) -> None:
    """P1, A9, F35: a dispatcher whose answer was lost hears the same again, though the run is over."""
    service = await replicas.start(a_library(a_flow(agent("a"))))
    run_id = await launch(service)
    (a,) = await dispatcher.take(run_id, "a")
    first = await service.tasks.report(a.task_id, say(a))
    await ended(service, run_id)

    second = await service.tasks.report(a.task_id, say(a))

    assert (first.verdict, second.verdict) == ("accepted", "accepted")
    assert await database.value("SELECT count(*) FROM task_results") == 0


async def test_a_zombie_changes_nothing(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """P2, D2-17: a worker that was declared dead is answered stale; the new one's word counts."""
    service = await replicas.start(a_library(a_flow(agent("a"))))
    run_id = await launch(service)
    (zombie,) = await dispatcher.take(run_id, "a")
    await dispatcher.die()
    other = await a_dispatcher(database)
    async with other.conn:
        (a,) = await other.take(run_id, "a", attempt=2)

        late = await service.tasks.report(zombie.task_id, done(zombie, "from the grave"))
        live = await service.tasks.report(a.task_id, done(a, "alive"))

    assert (late.verdict, live.verdict) == ("stale", "accepted")
    assert a.epoch > zombie.epoch
    assert "a#1 rejected: succeeded" in await told(database, run_id)
    assert await database.sql("SELECT verdict, output FROM task_results") == [
        ("stale", "from the grave")
    ]


async def test_the_right_attempt_under_a_wrong_epoch_is_stale(
    replicas: Replicas, dispatcher: Dispatcher
) -> None:
    """P2: handed back and claimed again, an attempt is the same and the lease is not."""
    service = await replicas.start(a_library(a_flow(agent("a"))))
    run_id = await launch(service)
    (before,) = await dispatcher.take(run_id, "a")
    await dispatcher.conn.execute(
        "SELECT release_v1(%s, %s)", (dispatcher.worker_id, [before.epoch])
    )
    dispatcher.held.clear()
    (after,) = await dispatcher.take(run_id, "a")

    late = await service.tasks.report(before.task_id, done(before))
    live = await service.tasks.report(after.task_id, done(after))

    assert (before.attempt, after.attempt) == (1, 1)
    assert (late.verdict, live.verdict) == ("stale", "accepted")
    assert await ended(service, run_id) == "completed"


async def test_a_stale_and_a_good_result_at_once_do_not_hurt_each_other(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """P2: the guard that fails takes its own result with it, and no other of the same batch."""
    service = await replicas.start(a_library(a_flow(agent("a"), agent("b"))))
    run_id = await launch(service)
    before, b = await dispatcher.take(run_id, "a", "b")
    await dispatcher.conn.execute(
        "SELECT release_v1(%s, %s)", (dispatcher.worker_id, [before.epoch])
    )
    del dispatcher.held[run_id, "a"]
    (a,) = await dispatcher.take(run_id, "a")

    reports = ((before, done(before, "old")), (b, done(b)), (a, done(a, "new")))
    verdicts = await all_at_once(service.tasks.report, reports)

    assert verdicts == ["stale", "accepted", "accepted"]
    assert await ended(service, run_id) == "completed"
    assert "a#1 rejected: succeeded" in await told(database, run_id)


async def all_at_once(report: Any, reports: Any) -> list[str]:
    """Send several reports in the same tick; their verdicts, in order."""
    replies = await asyncio.gather(*(report(task.task_id, said) for task, said in reports))
    return [reply.verdict for reply in replies]


async def test_what_names_no_task_is_refused(replicas: Replicas, dispatcher: Dispatcher) -> None:
    """R2-37: a result for a step or attempt that is not there is stale, for no run not found."""
    service = await replicas.start(a_library(PAIR))
    run_id = await launch(service)
    (a,) = await dispatcher.take(run_id, "a")

    for task_id in (f"{run_id}.7.1", f"{run_id}.0.2", f"{run_id}.1.1", f"{run_id}.0.999999999"):
        assert (await service.tasks.report(task_id, done(a))).verdict == "stale"
    for task_id in ("nonsense", f"{uuid4()}.0.1", f"{run_id}.0", f"{run_id}.-1.1"):
        with pytest.raises(NotFoundError):
            await service.tasks.report(task_id, done(a))

    assert (await service.tasks.report(a.task_id, done(a))).verdict == "accepted"


async def test_an_agent_stopped_by_hand_cancels_the_run_and_its_siblings(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """R2-40, D2-11: one stopped agent ends the run as cancelled and takes the others' leases."""
    service = await replicas.start(a_library(a_flow(agent("a"), agent("b"), agent("c", "a"))))
    run_id = await launch(service)
    a, b = await dispatcher.take(run_id, "a", "b")

    await service.tasks.report(a.task_id, stopped(a))

    assert await ended(service, run_id) == "cancelled"
    assert set((await steps(database, run_id)).values()) == {"cancelled"}
    assert (await dispatcher.renew()).lost == (a.epoch, b.epoch)


class Verdict(BaseModel):
    """What these agents are asked for."""

    model_config = ConfigDict(extra="forbid")
    verdict: str


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("all is well", "answer_not_json"),
        ("[1, 2]", "answer_not_json"),
        ('{"verdict": 1}', "answer_invalid"),
        ('{"verdict": "ok", "more": 1}', "answer_invalid"),
        ('{"verdict": "ok", "a\\u0000b": 1}', "answer_invalid"),
        ('{"verdict": "ok", "' + "k" * 100_000 + '": 1}', "answer_invalid"),
        ("{" * 100_000, "answer_not_json"),
        ('{"verdict": "' + '\\ud800"}', "answer_invalid"),
    ],
)
async def test_an_answer_that_breaks_the_contract_is_tried_again_and_then_fails(
    replicas: Replicas, database: Database, dispatcher: Dispatcher, answer: str, code: str
) -> None:
    """P9, F7: a failed contract is a failure of its class, whatever the agent wrote; never a verdict."""
    flow = a_flow(agent("a", output=Verdict, retry=1, repairs=0))
    service = await replicas.start(a_library(flow))
    run_id = await launch(service)
    (a,) = await dispatcher.take(run_id, "a")
    assert (await service.tasks.report(a.task_id, done(a, answer))).verdict == "accepted"
    await lapse(database, service, run_id)
    (a,) = await dispatcher.take(run_id, "a", attempt=2)

    assert (await service.tasks.report(a.task_id, done(a, answer))).verdict == "accepted"

    assert await ended(service, run_id) == "failed"
    error = (await run_row(database, run_id))["error"]
    assert error["code"] == code
    assert len(error["message"]) < 20_000


class Touchy(BaseModel):
    """A model whose author made a mistake."""

    verdict: str

    @field_validator("verdict")
    @classmethod
    def _check(cls, value: str) -> str:
        return {"ok": "fine"}[value]


async def test_a_contract_that_raises_is_its_steps_failure(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """D2-05: an exception in a flow's own model fails the step, and no other result with it."""
    flow = a_flow(agent("a", output=Touchy, on_fail="tolerate"), agent("b"))
    service = await replicas.start(a_library(flow))
    run_id = await launch(service)
    a, b = await dispatcher.take(run_id, "a", "b")

    reports = ((a, done(a, '{"verdict": "bad"}')), (b, done(b)))
    verdicts = await all_at_once(service.tasks.report, reports)

    assert verdicts == ["accepted", "accepted"]
    assert await ended(service, run_id) == "completed"
    error = json.loads((await steps(database, run_id, "error"))["a"])
    assert (error["code"], "KeyError" in error["message"]) == ("definition_error", True)


@pytest.mark.parametrize("usage", [{"input_tokens": 10**30}, {"seconds": float("inf")}])
def test_a_usage_that_no_column_holds_is_refused_at_the_door(usage: dict[str, Any]) -> None:
    """A8: what cannot be stored must not reach a commit, where it would stick the step for ever."""
    said = {"epoch": 1, "outcome": "completed", "output": "x", "usage": usage}

    with pytest.raises(ValueError, match=r"usage\.(input_tokens|seconds)"):
        TaskReport.model_validate(said)


def test_an_epoch_that_no_sequence_gives_is_refused_at_the_door() -> None:
    """A8: the same for the lease a report names."""
    with pytest.raises(ValueError, match="epoch"):
        TaskReport.model_validate({"epoch": 10**30, "outcome": "completed", "output": "x"})
