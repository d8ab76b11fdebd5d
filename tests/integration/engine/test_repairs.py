"""An answer that breaks its step's contract is sent back, a bounded number of times (F7, none-has 22)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher, a_dispatcher, done, failed
from fixtures.libraries import a_flow, a_library, agent
from fixtures.proxy import Fate, Proxy
from fixtures.runs import ended, events, lapse, launch, run_row, steps, told
from fixtures.services import Replicas
from fixtures.waiting import until
from flowrunner.db.queue import ClaimedTask
from flowrunner.definitions.context import Context
from flowrunner.definitions.flow import Each, Step
from integration.engine.calls import calling, returned
from integration.engine.repairs import answered, prompt_of

pytestmark = pytest.mark.anyio

RIGHT, WRONG = '{"verdict": "fine"}', '{"verdict": 7}'


class Verdict(BaseModel):
    verdict: str


def asked(**options: Any) -> Step:
    return agent("a", output=Verdict, **options)


async def test_a_wrong_answer_is_sent_back_and_the_right_one_counts(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """F7, P9, F49: the next prompt is the same, the answer quoted, and every problem; all is paid."""
    service = await replicas.start(a_library(a_flow(asked())))
    run_id = await launch(service)

    first, second = await answered(service, dispatcher, run_id, WRONG, RIGHT)

    assert await ended(service, run_id) == "completed"
    assert prompt_of(second).startswith(prompt_of(first).rstrip())
    block = prompt_of(second)[len(prompt_of(first).rstrip()) :]
    assert "## Your answer could not be taken" in block
    assert "\n- verdict: Input should be a valid string\n" in block
    assert f"\n{WRONG}\n" in block
    assert (await run_row(database, run_id))["input_tokens"] == 20
    assert await told(database, run_id) == [
        "a#1 dispatched",
        "a#1 retrying: answer_invalid",
        "a#2 dispatched",
        "a#2 completed",
        "run completed",
    ]


async def test_each_round_is_an_attempt_with_its_own_prompt_and_answer(
    replicas: Replicas, dispatcher: Dispatcher
) -> None:
    """F7, R2-51: people see what was asked each time, and what was said that could not be taken."""
    service = await replicas.start(a_library(a_flow(asked())))
    run_id = await launch(service)
    first, second = await answered(service, dispatcher, run_id, WRONG, RIGHT)
    await ended(service, run_id)

    listed = await service.steps.list_attempts(run_id, "a")
    shown = [await service.steps.get_attempt(run_id, "a", number) for number in (1, 2)]

    assert [(each.attempt, each.status) for each in listed.items] == [
        (1, "failed"),
        (2, "completed"),
    ]
    assert [each.prompt for each in shown] == [prompt_of(first), prompt_of(second)]
    assert [each.partial for each in shown] == [WRONG, None]


@pytest.mark.parametrize(("repairs", "most"), [(None, 2), (1, 1), (0, 0), (3, 3)])
async def test_rounds_come_to_an_end(
    replicas: Replicas,
    database: Database,
    dispatcher: Dispatcher,
    repairs: int | None,
    most: int,
) -> None:
    """F7, P9: with retry=0; the step fails with its last failure, and says how often it was asked."""
    service = await replicas.start(a_library(a_flow(asked(repairs=repairs))))
    run_id = await launch(service)

    await answered(service, dispatcher, run_id, *[WRONG] * most, "no JSON at all")

    assert await ended(service, run_id) == "failed"
    error = (await run_row(database, run_id))["error"]
    assert error["code"] == "answer_not_json"
    times = {0: "", 1: " (it was sent back once before)"}
    told_so = times.get(most, f" (it was sent back {most} times before)")
    assert error["message"].endswith(f"the answer holds no JSON object{told_so}")


async def test_rounds_take_nothing_from_the_retries(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """F7, F30: a failure that may heal is tried again with the prompt of the round."""
    service = await replicas.start(a_library(a_flow(asked(retry=1))))
    run_id = await launch(service)
    (_,) = await answered(service, dispatcher, run_id, WRONG)
    (flaky,) = await dispatcher.take(run_id, "a", attempt=2)
    said = failed(flaky, "overloaded", failure_class="transient")
    await service.tasks.report(flaky.task_id, said)
    await lapse(database, service, run_id)
    (again,) = await dispatcher.take(run_id, "a", attempt=3)
    await service.tasks.report(again.task_id, done(again, WRONG))
    (last,) = await dispatcher.take(run_id, "a", attempt=4)

    assert prompt_of(again) == prompt_of(flaky)
    assert prompt_of(last).startswith(prompt_of(again))
    await service.tasks.report(last.task_id, done(last, RIGHT))
    assert await ended(service, run_id) == "completed"


@pytest.mark.parametrize(
    ("code_", "is_sent_back"),
    [("empty_answer", True), ("answer_cut", True), ("gave_up", True), ("refused", False)],
)
async def test_what_the_dispatcher_found_wrong_is_told_as_well(
    replicas: Replicas, dispatcher: Dispatcher, code_: str, *, is_sent_back: bool
) -> None:
    """F7, P9: no answer, or half of one, is sent back; a refusal is not a matter of form."""
    service = await replicas.start(a_library(a_flow(asked())))
    run_id = await launch(service)
    (task,) = await dispatcher.take(run_id, "a")
    report = failed(task, code_, failure_class="contract", message="it stopped in the middle")
    await service.tasks.report(task.task_id, report.model_copy(update={"partial": '{"verd'}))

    if not is_sent_back:
        assert await ended(service, run_id) == "failed"
        return
    (again,) = await dispatcher.take(run_id, "a", attempt=2)
    assert "\n- it stopped in the middle\n" in prompt_of(again)
    assert '\n{"verd\n' in prompt_of(again)


async def test_plain_text_is_sent_back_only_if_its_step_says_so(
    replicas: Replicas, dispatcher: Dispatcher
) -> None:
    """F7: without output= there is nothing that an answer could break, but silence."""
    service = await replicas.start(a_library(a_flow(agent("a"), agent("b", repairs=1))))
    run_id = await launch(service)
    a, b = await dispatcher.take(run_id, "a", "b")
    for task in (b, a):
        report = failed(task, "empty_answer", failure_class="contract")
        await service.tasks.report(task.task_id, report)

    assert await ended(service, run_id) == "failed"
    assert (await dispatcher.claim()) == []


async def test_members_of_a_list_are_sent_back_each_by_itself(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """F13, F7: as many rounds for each member, and only the failed one costs the list."""
    each = Each(lambda _ctx: ["x", "y"], key=str, quorum=1)
    service = await replicas.start(a_library(a_flow(asked(each=each))))
    run_id = await launch(service)

    await answered(service, dispatcher, run_id, WRONG, WRONG, WRONG, key="a[x]")
    await answered(service, dispatcher, run_id, WRONG, RIGHT, key="a[y]")

    assert await ended(service, run_id) == "completed"
    found = await steps(database, run_id)
    assert (found["a[x]"], found["a[y]"]) == ("failed", "completed")


async def test_a_round_survives_the_death_of_everybody(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """F7, P3: a new service, and a new worker after the old one died in the round, go on with it."""
    library = a_library(a_flow(asked()))
    service = await replicas.start(library)
    run_id = await launch(service)
    await answered(service, dispatcher, run_id, WRONG)
    (lost,) = await dispatcher.take(run_id, "a", attempt=2)
    await replicas.stop(service)
    await dispatcher.die()

    service = await replicas.start(library)
    other = await a_dispatcher(database)
    async with other.conn:
        (again,) = await other.take(run_id, "a", attempt=3)
        assert prompt_of(again) == prompt_of(lost)
        for attempt in (3, 4):
            (task,) = await other.take(run_id, "a", attempt=attempt)
            await service.tasks.report(task.task_id, done(task, WRONG))

    assert await ended(service, run_id) == "failed"
    message = (await run_row(database, run_id))["error"]["message"]
    assert "(it was sent back 2 times before)" in message


async def test_nothing_is_worded_for_an_attempt_that_is_over(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """P2, F7: a zombie's wrong answer is on record as refused, and asks nobody anything."""
    service = await replicas.start(a_library(a_flow(asked())))
    run_id = await launch(service)
    (zombie,) = await dispatcher.take(run_id, "a")
    await dispatcher.die()
    other = await a_dispatcher(database)
    async with other.conn:
        await other.take(run_id, "a", attempt=2)
        await service.residents.report(run_id, 0, 1, done(zombie, WRONG))

    assert "a#1 rejected: errored" in await told(database, run_id)
    words = "SELECT count(*) FROM payloads WHERE position('could not be taken'::bytea IN body) > 0"
    assert await database.value(words) == 0


@pytest.mark.parametrize("fate", ["question_lost", "answer_lost"])
async def test_a_round_whose_commit_nobody_heard_of_is_one_round(
    proxy: Proxy, replicas: Replicas, database: Database, dispatcher: Dispatcher, fate: Fate
) -> None:
    """P1, P3, F7: the service looks what became of it; prompt and payload are there once, or not yet."""
    service = await replicas.start(a_library(a_flow(asked())), addresses=proxy.addresses)
    run_id = await launch(service)
    (first,) = await dispatcher.take(run_id, "a")

    proxy.doom(fate, "FROM apply_v")
    assert (await service.tasks.report(first.task_id, done(first, WRONG))).verdict == "accepted"

    (second,) = await dispatcher.take(run_id, "a", attempt=2)
    assert proxy.has_struck
    assert f"\n{WRONG}\n" in prompt_of(second)
    await service.tasks.report(second.task_id, done(second, RIGHT))
    assert await ended(service, run_id) == "completed"
    rows = [row.type for row in await events(database, run_id)]
    assert (rows.count("step.retrying"), rows.count("step.dispatched")) == (1, 2)


async def test_the_same_report_twice_makes_one_round(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """P1, F35: two replicas are told the same wrong answer at once."""
    library = a_library(a_flow(asked()))
    one, other = await replicas.start(library), await replicas.start(library)
    run_id = await launch(one)
    (task,) = await dispatcher.take(run_id, "a")

    verdicts = await asyncio.gather(
        one.tasks.report(task.task_id, done(task, WRONG)),
        other.tasks.report(task.task_id, done(task, WRONG)),
    )
    again = await other.tasks.report(task.task_id, done(task, WRONG))

    assert {each.verdict for each in (*verdicts, again)} == {"accepted"}
    rows = [row.type for row in await events(database, run_id)]
    assert (rows.count("step.retrying"), rows.count("step.dispatched")) == (1, 2)


async def test_an_answer_to_code_is_sent_back_as_a_call_of_its_own(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """F7, F18, D2-13: journaled like any call, so that a crash asks nothing twice."""

    async def body(ctx: Context) -> object:
        result = await ctx.agent(None, "Judge it.", key="k", output=Verdict)
        assert isinstance(result.value, Verdict)
        return [result.key, result.status, result.value.verdict]

    service = await replicas.start(calling(body))
    run_id = await launch(service)
    (first,) = await dispatcher.take(run_id, "v/k")
    await service.tasks.report(first.task_id, done(first, WRONG))

    async def second() -> ClaimedTask | None:
        await dispatcher.claim()
        found = (t for (_, key), t in dispatcher.held.items() if key.startswith("v/k~1-"))
        return next(found, None)

    again = await until(second)
    assert prompt_of(again).startswith(prompt_of(first).rstrip())
    assert f"\n{WRONG}\n" in prompt_of(again)
    await service.tasks.report(again.task_id, done(again, RIGHT))

    assert await ended(service, run_id) == "completed"
    assert await returned(database, run_id) == ["k", "completed", "fine"]
