"""Reports that say more than an answer: whose quota ended, what was said, how it was run."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher, done, failed
from fixtures.libraries import a_flow, a_library, agent
from fixtures.runs import ended, events, lapse, launch, run_row, steps, told
from fixtures.services import Replicas
from fixtures.waiting import until
from flowrunner.bootstrap.service import Service
from flowrunner.core import events as ev
from flowrunner.core.model import RunId
from flowrunner.db.queue import ClaimedTask
from flowrunner.definitions.flow import Retry
from flowrunner.wire.tasks import TaskReport

pytestmark = pytest.mark.anyio

ONE = a_flow(agent("a", retry=0))
DUE = """
SELECT extract(epoch FROM due_at - clock_timestamp())::float8 FROM flow_timers WHERE run_id = %s
"""
LEAVE = """
SELECT report_v2(%s, %s, %s, %s, %s::jsonb, NULL, 4, 2, %s, %s, %s::timestamptz, %s::jsonb)
"""
BODY = "SELECT convert_from(body, 'UTF8') FROM payloads WHERE ref = decode(%s, 'hex')"


def within(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def quota(task: ClaimedTask, **given: Any) -> TaskReport:
    report = failed(task, "quota_exhausted", failure_class="quota", message="used up")
    return report.model_copy(update={"provider": "acme", **given})


async def hand_in(
    service: Service, dispatcher: Dispatcher, door: str, task: ClaimedTask, report: TaskReport
) -> None:
    """Through the service, as workers in it and over REST do, or through the inbox."""
    if door == "service":
        await service.tasks.report(task.task_id, report)
        return
    error = None if report.error is None else report.error.model_dump_json()
    kept = (report.partial, report.provider, report.quota_until, json.dumps(report.record))
    said = (task.task_id, task.epoch, report.outcome, report.output, error)
    await dispatcher.conn.execute(LEAVE, (*said, *kept))


@pytest.mark.parametrize("door", ["service", "inbox"])
async def test_a_step_waits_as_long_as_its_provider_says_and_loses_no_attempt(
    replicas: Replicas, database: Database, dispatcher: Dispatcher, door: str
) -> None:
    """F52: by either door; the provider is paused, the only attempt is not burnt, and the run goes
    on when the timer says so.
    """
    service = await replicas.start(a_library(ONE))
    run = await launch(service)
    (a,) = await dispatcher.take(run, "a")

    await hand_in(service, dispatcher, door, a, quota(a, quota_until=within(300)))
    await until(lambda: waits(database, run))

    assert 295 < await database.value(DUE, (run,)) < 317
    assert await database.value("SELECT reason FROM provider_pauses") == "used up"
    assert await steps(database, run, "failures") == {"a": "0"}
    await lapse(database, service, run)
    assert await dispatcher.finish(service, run) == "completed"
    assert await told(database, run) == [
        "a#1 dispatched",
        "a#1 retrying: quota_exhausted",
        "a#2 dispatched",
        "a#2 completed",
        "run completed",
    ]


async def waits(database: Database, run: RunId) -> bool:
    return await database.value("SELECT delayed FROM flow_steps WHERE run_id = %s", (run,))


@pytest.mark.parametrize("door", ["service", "inbox"])
async def test_a_task_that_was_put_off_waits_for_what_others_were_told(
    replicas: Replicas, database: Database, dispatcher: Dispatcher, door: str
) -> None:
    """F52: its report announces nothing, and makes no pause longer."""
    service = await replicas.start(a_library(ONE))
    run = await launch(service)
    (a,) = await dispatcher.take(run, "a")
    await database.sql("SELECT pause_provider_v1('acme', now() + interval '300 seconds')")
    before = await database.value("SELECT until FROM provider_pauses")

    await hand_in(service, dispatcher, door, a, quota(a))
    await until(lambda: waits(database, run))

    assert 295 < await database.value(DUE, (run,)) < 317
    assert await database.value("SELECT until FROM provider_pauses") == before


async def test_a_provider_that_does_not_say_when_is_asked_after_a_minute(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """F52: without a moment nobody else has to wait for it."""
    service = await replicas.start(a_library(ONE))
    run = await launch(service)
    (a,) = await dispatcher.take(run, "a")

    await service.tasks.report(a.task_id, quota(a))

    assert 55 < await database.value(DUE, (run,)) < 65
    assert await database.value("SELECT count(*) FROM provider_pauses") == 0


async def test_a_result_that_comes_too_late_still_tells_of_its_provider(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """F52, P2: it moves no run, but nobody has to find out again; all of it is kept as evidence."""
    service = await replicas.start(a_library(ONE))
    run = await launch(service)
    (a,) = await dispatcher.take(run, "a")
    await service.runs.cancel(run, "enough", "test")
    assert await ended(service, run) == "cancelled"
    given = {"quota_until": within(300), "partial": "so far", "record": {"gate": "none"}}
    late = quota(a, truncated_bytes=4, replaced_count=2, **given)

    assert (await service.tasks.report(a.task_id, late)).verdict == "stale"

    assert await database.value("SELECT provider FROM provider_pauses") == "acme"
    kept = await database.value(
        "SELECT to_jsonb(r) - 'id' - 'run_id' - 'error' - 'usage' - 'quota_until' - 'reported_at'"
        " FROM task_results r"
    )
    assert kept == {
        "step_no": 0,
        "attempt": 1,
        "epoch": a.epoch,
        "outcome": "failed",
        "output": None,
        "verdict": "stale",
        "truncated_bytes": 4,
        "replaced_count": 2,
        "partial": "so far",
        "provider": "acme",
        "record": {"gate": "none"},
    }
    assert await database.value(
        "SELECT quota_until = %s FROM task_results", (given["quota_until"],)
    )


@pytest.mark.parametrize("door", ["service", "inbox"])
async def test_what_is_kept_beside_an_answer_goes_with_its_attempt(
    replicas: Replicas, database: Database, dispatcher: Dispatcher, door: str
) -> None:
    """F55, none-has 4: by reference from the event that ends the attempt; a partial answer is no
    output, and nothing that follows is given it.
    """
    service = await replicas.start(
        a_library(a_flow(agent("a", retry=Retry(1, base=0.01)), agent("b", "a")))
    )
    run = await launch(service)
    (a,) = await dispatcher.take(run, "a")
    broken = failed(a, "timeout_total", failure_class="transient").model_copy(
        update={"partial": "half an answer", "record": {"gate": "one"}}
    )
    await hand_in(service, dispatcher, door, a, broken)
    (again,) = await dispatcher.take(run, "a", attempt=2)
    good = done(again, "whole").model_copy(update={"record": {"gate": "two"}})
    await hand_in(service, dispatcher, door, again, good)

    assert await dispatcher.finish(service, run) == "completed"

    found = [row.decoded() for row in await events(database, run)]
    (retried,) = (each for each in found if isinstance(each, ev.StepRetrying))
    first = next(each for each in found if isinstance(each, ev.StepCompleted))
    assert await database.value(BODY, (retried.partial,)) == "half an answer"
    assert await database.value(BODY, (retried.record,)) == '{"gate": "one"}'
    assert await database.value(BODY, (first.record,)) == '{"gate": "two"}'
    assert retried.counted
    prompts = await database.sql(
        "SELECT convert_from(body, 'UTF8') FROM tasks JOIN payloads ON ref = input_ref"
    )
    assert not any("half" in prompt for (prompt,) in prompts)


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"partial": "so far"}, "only what failed has a partial answer"),
        ({"record": {"a": "x" * 70_000}}, "at most 65536 bytes"),
        ({"quota_until": "2030-01-01"}, "a provider, which is not named"),
    ],
    ids=["partial", "record", "quota"],
)
async def test_what_the_inbox_holds_beside_an_answer_is_held_to_the_contract(
    replicas: Replicas,
    database: Database,
    dispatcher: Dispatcher,
    told: dict[str, Any],
    why: str,
) -> None:
    """P11: whoever left it has said its last word; the step says what was wrong with it."""
    service = await replicas.start(a_library(ONE))
    run = await launch(service)
    (a,) = await dispatcher.take(run, "a")
    given = (told.get("partial"), None, told.get("quota_until"), json.dumps(told.get("record")))

    await dispatcher.conn.execute(LEAVE, (a.task_id, a.epoch, "completed", "ok", None, *given))

    assert await ended(service, run) == "failed"
    error = (await run_row(database, run))["error"]
    assert (error["code"], why in error["message"]) == ("bad_report", True)
