"""Whole runs on a real database: what runs, in which order, what is left out, how it ends."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher, done, failed
from fixtures.libraries import a_flow, a_library, agent, code
from fixtures.runs import ended, events, lapse, launch, report, run_row, steps, told
from fixtures.services import Replicas
from flowrunner.definitions.context import Context, Launch
from flowrunner.wire.tasks import Usage

pytestmark = pytest.mark.anyio


class Asked(BaseModel):
    question: str = ""


async def test_a_diamond_of_code_runs_in_order(replicas: Replicas, database: Database) -> None:
    """R2-19, R2-25, F16: a step begins when all it needs has ended, and the run ends with its last step."""
    diamond = a_flow(code("a"), code("b", "a"), code("c", "a"), code("d", "b", "c"))
    service = await replicas.start(a_library(diamond))

    run_id = await launch(service)

    assert await ended(service, run_id) == "completed"
    lines = await told(database, run_id)
    assert lines[:2] == ["a#1 dispatched", "a#1 completed"]
    assert sorted(lines[2:6]) == [f"{k}#1 {v}" for k in "bc" for v in ("completed", "dispatched")]
    assert lines[6:] == ["d#1 dispatched", "d#1 completed", "run completed"]


async def test_a_prompt_sees_what_was_said_in_the_same_commit(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """D2-16, R2-32: a result is seen by the prompts it makes possible, though it is not stored yet."""
    chain = a_flow(agent("a"), agent("b", "a"), code("c", "b", run=lambda ctx: ctx.results["b"]))
    service = await replicas.start(a_library(chain))
    run_id = await launch(service)

    status = await dispatcher.finish(service, run_id)

    assert status == "completed"
    assert dispatcher.held[run_id, "b"].input == b"b(a=a says)"
    assert (await report(database, run_id))["ok"] == ["a", "b", "c"]
    assert service.residents.loads == 0


async def test_a_fan_out_is_offered_whole_and_joined_once(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """R2-28: the whole wave is offered at once; the join begins once, after the last of them."""
    wide = [agent(f"w{n}", "a") for n in range(20)]
    flow = a_flow(agent("a"), *wide, agent("z", *(step.id for step in wide)))
    service = await replicas.start(a_library(flow))
    run_id = await launch(service)
    (root,) = await dispatcher.take(run_id, "a")
    await service.tasks.report(root.task_id, done(root))

    wave = await dispatcher.take(run_id, *(step.id for step in wide))

    assert len(wave) == 20
    for task in wave:
        await service.tasks.report(task.task_id, done(task))
    assert await dispatcher.finish(service, run_id) == "completed"
    assert (await steps(database, run_id, "attempt"))["z"] == "1"


async def test_what_the_launch_excludes_has_a_row_and_satisfies(
    replicas: Replicas, database: Database
) -> None:
    """D2-21, R2-20, F11: an excluded step is kept with its reason, and those after it go on."""

    def asks_for_more(given: Launch) -> bool:
        return given.given(Asked).question == "more"

    flow = a_flow(
        code("a"),
        code("b", "a", gate=asks_for_more),
        code("c", "b", bands=["large"]),
        code("d", "c"),
        input=Asked,
    )
    service = await replicas.start(a_library(flow))

    run_id = await launch(service, input={"question": "less"})

    assert await ended(service, run_id) == "completed"
    found = await steps(database, run_id)
    assert found == {"a": "completed", "b": "excluded", "c": "excluded", "d": "completed"}
    reasons = await steps(database, run_id, "reason")
    assert all(reasons[key] for key in "bc")
    assert (await report(database, run_id))["excluded"] == ["b", "c"]


async def test_a_run_without_a_step_to_run_completes_with_a_report(
    replicas: Replicas, database: Database
) -> None:
    """R2-21: an empty manifest completes at once, with a rendered report."""

    def never(_launch: Launch) -> bool:
        return False

    flow = a_flow(code("a", gate=never), agent("b", gate=never))
    service = await replicas.start(a_library(flow))

    run_id = await launch(service)

    assert await ended(service, run_id) == "completed"
    assert await told(database, run_id) == ["run completed"]
    assert (await report(database, run_id))["excluded"] == ["a", "b"]


async def test_when_is_asked_at_run_time_and_sees_results(
    replicas: Replicas, database: Database
) -> None:
    """R2-24, F10, F11: `when` speaks once its needs have ended; its no skips the step, and satisfies."""
    seen: list[object] = []

    def when(ctx: Context) -> bool:
        seen.append(dict(ctx.results))
        return ctx.results["a"] == 1

    flow = a_flow(
        code("a", run=lambda _ctx: 2),
        code("b", "a", when=when),
        agent("c", "a", when=when),
        code("d", "b", "c", run=lambda ctx: sorted(ctx.results)),
    )
    service = await replicas.start(a_library(flow))

    run_id = await launch(service)

    assert await ended(service, run_id) == "completed"
    assert seen == [{"a": 2}, {"a": 2}]
    found = await steps(database, run_id)
    assert found == {"a": "completed", "b": "skipped", "c": "skipped", "d": "completed"}
    assert (await steps(database, run_id, "reason"))["b"] == "when_false"


async def test_a_failure_stops_the_siblings_and_takes_their_leases_away(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """D2-07, R2-17, F37: one failed step fails the run; its siblings' leases are lost at once."""
    flow = a_flow(agent("a"), agent("b"), agent("c"), agent("d", "a", "b"))
    service = await replicas.start(a_library(flow))
    run_id = await launch(service)
    a, b, _c = await dispatcher.take(run_id, "a", "b", "c")

    await service.tasks.report(a.task_id, failed(a))

    assert await ended(service, run_id) == "failed"
    found = await steps(database, run_id)
    assert found == {"a": "failed", "b": "cancelled", "c": "cancelled", "d": "cancelled"}
    assert (await steps(database, run_id, "reason"))["b"] == "sibling_failed"
    row = await run_row(database, run_id)
    assert row["error"]["message"] == "step 'a' failed: it gave up"
    assert set((await dispatcher.renew()).lost) == {t.epoch for t in dispatcher.held.values()}
    assert (await service.tasks.report(b.task_id, done(b))).verdict == "stale"


async def test_a_failed_run_keeps_what_was_done(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """D2-32, F46: the report of a failed run is partial, and says what did not happen."""
    service = await replicas.start(a_library(a_flow(agent("a"), agent("b", "a"))))
    run_id = await launch(service)
    (a,) = await dispatcher.take(run_id, "a")
    await service.tasks.report(a.task_id, done(a))
    (b,) = await dispatcher.take(run_id, "b")

    await service.tasks.report(b.task_id, failed(b))

    assert await ended(service, run_id) == "failed"
    found = await report(database, run_id)
    assert (found["ok"], found["failed"], found["partial"]) == (["a"], ["b"], True)


async def test_a_tolerated_failure_degrades_the_run(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """R2-17, R2-20, F45: with on_fail="tolerate" dependents go on without the result, and it shows."""
    seen: list[object] = []

    def joined(ctx: Context) -> object:
        seen.append(ctx.outcomes["a"])
        return sorted(ctx.results)

    flow = a_flow(agent("a", on_fail="tolerate"), agent("b"), code("c", "a", "b", run=joined))
    service = await replicas.start(a_library(flow))
    run_id = await launch(service)
    a, b = await dispatcher.take(run_id, "a", "b")

    await service.tasks.report(a.task_id, failed(a, "broke", message="it broke"))
    await service.tasks.report(b.task_id, done(b))

    assert await ended(service, run_id) == "completed"
    assert (await run_row(database, run_id))["tolerated"] == 1
    assert (await events(database, run_id))[-1].body["degraded"] is True
    (outcome,) = seen
    assert vars_of(outcome) == ("failed", {"code": "broke", "message": "it broke"})


def vars_of(outcome: object) -> tuple[object, object]:
    """What a flow's author reads of a step that failed."""
    return getattr(outcome, "status", None), getattr(outcome, "error", None)


async def test_usage_adds_up(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """P7, F49: what attempts consumed is counted per step and per run, failed attempts included."""
    flow = a_flow(agent("a", retry=1), agent("b"))
    service = await replicas.start(a_library(flow))
    run_id = await launch(service)
    a, b = await dispatcher.take(run_id, "a", "b")
    spent = Usage(input_tokens=10, output_tokens=3, cost_microusd=7, seconds=1.5)

    await service.tasks.report(b.task_id, done(b, usage=spent))
    await service.tasks.report(
        a.task_id, failed(a, "overloaded", failure_class="transient", usage=spent)
    )
    await lapse(database, service, run_id)
    (a,) = await dispatcher.take(run_id, "a", attempt=2)
    await service.tasks.report(a.task_id, done(a, usage=spent))

    assert await ended(service, run_id) == "completed"
    row = await run_row(database, run_id)
    assert (row["input_tokens"], row["output_tokens"], row["cost_microusd"]) == (30, 9, 21)
