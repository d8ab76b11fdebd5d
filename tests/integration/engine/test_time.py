"""Timers: retries and deadlines. Tests let time pass in the database, they do not wait for it."""

from __future__ import annotations

import pytest

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher, done, failed
from fixtures.libraries import a_flow, a_library, agent
from fixtures.runs import ended, events, lapse, launch, run_row, steps, told
from fixtures.services import Replicas
from flowrunner.definitions.context import Context

pytestmark = pytest.mark.anyio


async def test_a_failure_that_may_heal_is_tried_again_later_with_the_same_prompt(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """D2-22, R2-51, F30: a retry waits for its timer, and its prompt is not built again."""
    built: list[int] = []

    def prompt(_ctx: Context) -> str:
        built.append(1)
        return f"prompt {len(built)}"

    service = await replicas.start(a_library(a_flow(agent("a", run=prompt, retry=2))))
    run_id = await launch(service)
    (a,) = await dispatcher.take(run_id, "a")
    await service.tasks.report(a.task_id, failed(a, "overloaded", failure_class="transient"))
    assert await database.sql("SELECT kind, token FROM flow_timers") == [("retry", 1)]
    assert await dispatcher.claim() == []

    await lapse(database, service, run_id)
    (again,) = await dispatcher.take(run_id, "a", attempt=2)
    await service.tasks.report(again.task_id, done(again))

    assert await ended(service, run_id) == "completed"
    assert (again.input, built) == (b"prompt 1", [1])
    row = (await steps(database, run_id, "failures"))["a"]
    assert row == "1"


async def test_a_step_is_tried_as_often_as_it_says(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """D2-22, F30: after the last attempt the failure stands."""
    service = await replicas.start(a_library(a_flow(agent("a", retry=2))))
    run_id = await launch(service)
    for attempt in (1, 2, 3):
        await lapse(database, service, run_id)
        (a,) = await dispatcher.take(run_id, "a", attempt=attempt)
        await service.tasks.report(a.task_id, failed(a, "overloaded", failure_class="transient"))

    assert await ended(service, run_id) == "failed"
    assert (await told(database, run_id))[-3:] == [
        "a#3 dispatched",
        "a#3 failed: overloaded",
        "run failed: overloaded",
    ]


async def test_retries_are_spread_out(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """D2-22, F30: the wait grows with each failure."""
    service = await replicas.start(a_library(a_flow(agent("a", retry=3))))
    run_id = await launch(service)
    for attempt in (1, 2, 3):
        await lapse(database, service, run_id)
        (a,) = await dispatcher.take(run_id, "a", attempt=attempt)
        await service.tasks.report(a.task_id, failed(a, "overloaded", failure_class="transient"))

    rows = await events(database, run_id)
    waits = [row.body["delay_seconds"] for row in rows if row.type == "step.retrying"]
    assert len(waits) == 3
    assert all(2**n <= wait <= 2 ** (n + 1) for n, wait in enumerate(waits))


async def test_a_run_does_not_outlive_its_deadline(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """D2-22, P6, F32: at the deadline everything stops, the agents' leases are lost, no timer stays."""
    flow = a_flow(agent("a"), agent("b", "a"), deadline="10m")
    service = await replicas.start(a_library(flow))
    run_id = await launch(service)
    (a,) = await dispatcher.take(run_id, "a")

    await lapse(database, service, run_id)

    assert await ended(service, run_id) == "failed"
    assert (await run_row(database, run_id))["error"]["code"] == "run_deadline"
    assert (await steps(database, run_id, "reason"))["a"] == "run_deadline"
    assert (await dispatcher.renew()).lost == (a.epoch,)


async def test_a_run_that_ends_in_time_takes_its_deadline_with_it(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """P6: an ended run leaves no timer."""
    service = await replicas.start(a_library(a_flow(agent("a"), deadline=600)))
    run_id = await launch(service)
    assert await database.value("SELECT count(*) FROM flow_timers") == 1

    assert await dispatcher.finish(service, run_id) == "completed"

    assert await database.value("SELECT count(*) FROM flow_timers") == 0


async def test_a_timer_that_means_nothing_any_more_goes_away(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """P4: otherwise it would be due, and looked at, for ever."""
    service = await replicas.start(a_library(a_flow(agent("a"), agent("b"))))
    run_id = await launch(service)
    await database.sql(
        "INSERT INTO flow_timers VALUES (%s, 0, 'retry', 5, clock_timestamp())", (run_id,)
    )

    await lapse(database, service, run_id)

    assert await dispatcher.finish(service, run_id) == "completed"
    assert await database.value("SELECT count(*) FROM flow_timers") == 0
