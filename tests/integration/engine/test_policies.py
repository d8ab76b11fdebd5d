"""Triggers, failure policies, siblings, deadlines and queue limits, in whole runs."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher, done, failed
from fixtures.libraries import a_flow, a_library, agent, code
from fixtures.runs import ended, lapse, launch, report, run_row, steps, wake
from fixtures.services import Replicas
from fixtures.steering import asked, said, tale, tasks
from fixtures.waiting import until
from flowrunner.definitions.context import Context
from flowrunner.definitions.flow import Each, Repeat, Step

pytestmark = pytest.mark.anyio

OnFail = Literal["tolerate", "skip", "cascade"]
Trigger = Literal["all", "any", "none_failed", "all_done"]
TRIGGERS: list[tuple[OnFail, Trigger, str]] = [
    ("tolerate", "all", "completed"),
    ("tolerate", "any", "completed"),
    ("tolerate", "none_failed", "skipped"),
    ("tolerate", "all_done", "completed"),
    ("skip", "all", "completed"),
    ("skip", "none_failed", "skipped"),
    ("cascade", "all", "skipped"),
    ("cascade", "any", "completed"),
    ("cascade", "none_failed", "skipped"),
    ("cascade", "all_done", "completed"),
]


@pytest.mark.parametrize(("on_fail", "trigger", "expected"), TRIGGERS)
async def test_a_trigger_says_what_a_failed_need_means(
    replicas: Replicas,
    database: Database,
    dispatcher: Dispatcher,
    on_fail: OnFail,
    trigger: Trigger,
    expected: str,
) -> None:
    """F12, F45, R2-20: `good` completed, `bad` failed; and what follows the join is told the same."""
    flow = a_flow(
        agent("bad", on_fail=on_fail),
        agent("good"),
        agent("join", "bad", "good", trigger=trigger),
        agent("last", "join", trigger="all_done"),
    )
    service = await replicas.start(a_library(flow))
    run_id = await launch(service)
    bad, good = await dispatcher.take(run_id, "bad", "good")
    await service.tasks.report(good.task_id, done(good))
    await service.tasks.report(bad.task_id, failed(bad))

    assert await dispatcher.finish(service, run_id) == "completed"
    found = await steps(database, run_id)
    assert (found["join"], found["last"]) == (expected, "completed")
    (end,) = await said(database, run_id, "run.completed")
    assert end["degraded"] is True


async def test_a_failure_takes_along_a_whole_branch_and_no_other(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """F45, F11: cascade: lists, loops, waits and questions below are skipped, each with the reason."""
    flow = a_flow(
        agent("bad", on_fail="cascade"),
        agent("each", "bad", each=Each(lambda _ctx: [1])),
        agent("loop", "each", repeat=Repeat(lambda _ctx: True)),
        Step("nap", kind="wait", needs=["loop"], run="1h"),
        Step("ask", kind="approval", needs=["nap"], run="ok?"),
        agent("good"),
        agent("beside", "good"),
    )
    service = await replicas.start(a_library(flow))
    run_id = await launch(service)
    bad, good = await dispatcher.take(run_id, "bad", "good")
    await service.tasks.report(bad.task_id, failed(bad))
    await service.tasks.report(good.task_id, done(good))

    assert await dispatcher.finish(service, run_id) == "completed"
    assert (await report(database, run_id))["skipped"] == ["each", "loop", "nap", "ask"]
    reasons = await steps(database, run_id, "reason")
    assert {reasons[key] for key in ("each", "loop", "nap", "ask")} == {"need_cut"}


async def test_siblings_may_drain_and_their_outputs_are_in_the_partial_report(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """D2-07, D2-32, F37: those at work end by themselves, nothing new begins, all are terminal."""
    flow = a_flow(
        agent("bad"),
        agent("good"),
        agent("next", "good"),
        agent("each", each=Each(lambda _ctx: ["x", "y"], parallel=1)),
        Step("nap", kind="wait", run="1h"),
        Step("ask", kind="approval", run="ok?"),
        siblings="drain",
    )
    service = await replicas.start(a_library(flow))
    run_id = await launch(service)
    bad, good, x = await dispatcher.take(run_id, "bad", "good", "each[x]")
    await until(lambda: asked(service, run_id))
    await service.tasks.report(bad.task_id, failed(bad))
    assert (await run_row(database, run_id))["status"] == "running"
    assert (await service.tasks.report(good.task_id, done(good))).verdict == "accepted"
    assert (await service.tasks.report(x.task_id, done(x))).verdict == "accepted"

    assert await ended(service, run_id) == "failed"
    found = await steps(database, run_id)
    assert {key: found[key] for key in ("bad", "good", "each[x]")} == {
        "bad": "failed",
        "good": "completed",
        "each[x]": "completed",
    }
    assert {found[key] for key in ("next", "each", "each[y]", "nap", "ask")} == {"cancelled"}
    told = await report(database, run_id)
    assert (told["partial"], told["ok"], told["failed"]) == (True, ["good"], ["bad"])
    assert await dispatcher.claim() == []


BLOCKED: dict[str, Step] = {
    "agent": agent("it"),
    "delayed": agent("it", retry=3),
    "list": agent("it", each=Each(lambda _ctx: ["x", "y"])),
    "loop": agent("it", repeat=Repeat(lambda _ctx: False)),
    "wait": Step("it", kind="wait", run="1h"),
    "approval": Step("it", kind="approval", run="ok?"),
}


@pytest.mark.parametrize("kind", BLOCKED)
async def test_a_deadline_ends_whatever_is_blocked(
    replicas: Replicas, database: Database, dispatcher: Dispatcher, kind: str
) -> None:
    """F32, D2-22: leases, timers and questions go with it; what is done is in the report."""
    flow = a_flow(code("first"), BLOCKED[kind], deadline="2h")
    service = await replicas.start(a_library(flow))
    run_id = await launch(service)
    await until(lambda: steps_are(database, run_id, first="completed"))
    key = {"list": "it[y]", "loop": "it[1]"}.get(kind, "it")
    if kind in {"agent", "delayed", "list", "loop"}:
        (task,) = await dispatcher.take(run_id, key)
        if kind == "delayed":
            await service.tasks.report(task.task_id, failed(task, failure_class="transient"))
    else:
        await until(lambda: steps_are(database, run_id, it="blocked"))
    await database.sql(
        "UPDATE flow_timers SET due_at = clock_timestamp() WHERE kind = 'run_deadline'"
    )
    wake(service, "alarms")

    assert await ended(service, run_id) == "failed"
    assert (await run_row(database, run_id))["error"]["code"] == "run_deadline"
    found = await steps(database, run_id)
    assert {v for k, v in found.items() if k.startswith("it")} == {"cancelled"}
    assert (await report(database, run_id))["ok"] == ["first"]
    assert await database.value("SELECT count(*) FROM flow_timers") == 0
    assert await database.value("SELECT count(*) FROM task_queue") == 0
    assert await asked(service, run_id) == []


async def steps_are(database: Database, run_id: Any, **expected: str) -> bool:
    found = await steps(database, run_id)
    return expected.items() <= found.items()


async def test_a_task_that_nobody_takes_fails_its_step(
    replicas: Replicas, database: Database
) -> None:
    """F31, D2-22: the queue has a limit of its own; the message says how long it was."""
    flow = a_flow(agent("a", queue="gpu", queue_timeout="5m"))
    service = await replicas.start(a_library(flow))
    run_id = await launch(service)
    await lapse(database, service, run_id)

    assert await ended(service, run_id) == "failed"
    error = (await run_row(database, run_id))["error"]
    assert error["code"] == "queue_timeout"
    assert "300" in error["message"]


async def test_a_task_that_is_taken_has_no_queue_to_wait_in(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """F31: the limit means nothing once somebody works on it, and its timer goes away."""
    service = await replicas.start(a_library(a_flow(agent("a", queue_timeout="5m"))))
    run_id = await launch(service)
    (a,) = await dispatcher.take(run_id, "a")
    await lapse(database, service, run_id)
    await until(lambda: no_timers(database))
    assert (await steps(database, run_id))["a"] == "running"
    await service.tasks.report(a.task_id, done(a))

    assert await ended(service, run_id) == "completed"
    assert await tasks(database, run_id) == {"a": 1}
    assert await tale(database, run_id, "step.failed") == []


async def no_timers(database: Database) -> bool:
    return await database.value("SELECT count(*) FROM flow_timers") == 0


async def test_a_census_names_members_that_failed(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """D2-32, P9, F46: a degraded run says which member of which list it lacks, and what was retried."""
    flow = a_flow(agent("each", each=Each(members, quorum=1), retry=1))
    service = await replicas.start(a_library(flow))
    run_id = await launch(service)
    x, y = await dispatcher.take(run_id, "each[x]", "each[y]")
    await service.tasks.report(x.task_id, failed(x))
    await service.tasks.report(y.task_id, failed(y, failure_class="transient"))
    await lapse(database, service, run_id)
    (y,) = await dispatcher.take(run_id, "each[y]", attempt=2)
    await service.tasks.report(y.task_id, done(y))

    assert await ended(service, run_id) == "completed"
    told = await report(database, run_id)
    assert (told["ok"], told["failed"]) == (["each"], ["each[x]"])


def members(_ctx: Context) -> list[str]:
    return ["x", "y"]
