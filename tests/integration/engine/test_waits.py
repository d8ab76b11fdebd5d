"""Wait steps: the database keeps the time, whoever started the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher
from fixtures.libraries import a_flow, a_library, agent, code
from fixtures.runs import ended, forget, lapse, launch, report, run_row, steps
from fixtures.services import Replicas
from fixtures.steering import said, tale
from fixtures.waiting import until
from flowrunner.bootstrap.service import Service
from flowrunner.core.model import RunId
from flowrunner.definitions.context import Context, Report, ReportContext
from flowrunner.definitions.flow import Flow, Run, Step

pytestmark = pytest.mark.anyio


def nap(run: Run, *needs: str) -> Step:
    return Step("nap", kind="wait", needs=needs, run=run)


def shown(ctx: ReportContext) -> Report:
    nap_: Any = ctx.results.get("nap", "nothing")
    return Report("#", data={"nap": nap_})


def napping(run: Run) -> Flow:
    return a_flow(nap(run), code("after", "nap"), agent("beside"), render=shown)


def in_an_hour(_ctx: Context) -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


async def soon(_ctx: Context) -> str:
    return "1h"


async def asleep(service: Service, database: Database, run_id: RunId) -> float:
    """Wait until the step sleeps; return for how long it will, by the database's clock."""
    assert service is not None
    await until(lambda: tale(database, run_id, "step.slept"))
    left = "SELECT extract(epoch FROM due_at - clock_timestamp()) FROM flow_timers"
    return float(await database.value(left))


@pytest.mark.parametrize(
    "run",
    ["1h", 3600, timedelta(hours=1), in_an_hour, soon],
    ids=["text", "seconds", "span", "moment", "async"],
)
async def test_a_wait_ends_when_its_time_has_come(
    replicas: Replicas, database: Database, dispatcher: Dispatcher, run: Run
) -> None:
    """Whichever way it was said; others go on meanwhile; its result is nothing."""
    service = await replicas.start(a_library(napping(run)))
    run_id = await launch(service)
    assert 3500 < await asleep(service, database, run_id) <= 3600
    await dispatcher.take(run_id, "beside")
    assert await steps(database, run_id) == {
        "nap": "blocked",
        "after": "pending",
        "beside": "running",
    }

    await lapse(database, service, run_id)
    for task in dispatcher.held.values():
        await dispatcher.leave(task)
    assert await ended(service, run_id) == "completed"
    assert await report(database, run_id) == {"nap": None}


async def test_a_wait_outlives_the_replica_that_began_it(
    replicas: Replicas, database: Database
) -> None:
    """P3: it is not begun again, and its end comes when it is due, on whatever replica."""
    flow = a_flow(nap("1h"), code("after", "nap"))
    before = await replicas.start(a_library(flow))
    run_id = await launch(before)
    first = await asleep(before, database, run_id)
    await replicas.stop(before)
    await forget(database, run_id)

    after = await replicas.start(a_library(flow), patience_seconds=0.1)
    await after.reaper.look()
    assert await asleep(after, database, run_id) < first
    await lapse(database, after, run_id)

    assert await ended(after, run_id) == "completed"
    assert len(await said(database, run_id, "step.slept")) == 1
    assert await tale(database, run_id, "run.repaired") == []


async def test_a_moment_that_is_over_is_no_wait(replicas: Replicas, database: Database) -> None:
    """It completes at once, without a timer."""
    flow = a_flow(nap(datetime(2020, 1, 1, tzinfo=UTC)), code("after", "nap"))
    service = await replicas.start(a_library(flow))
    run_id = await launch(service)

    assert await ended(service, run_id) == "completed"
    assert await tale(database, run_id, "step.slept") == []


def without_zone(_ctx: Context) -> datetime:
    return datetime(2099, 1, 1)  # noqa: DTZ001  # the point


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (nap(lambda _ctx: "soon"), "'soon' is neither a span of time nor a moment"),
        (nap(lambda _ctx: None), "None is neither"),
        (nap(without_zone), "neither a span of time nor a moment in a time zone"),
        (nap(lambda _ctx: float("inf")), "inf"),
        (nap(lambda _ctx: 1 / 0), "ZeroDivisionError"),
    ],
    ids=["text", "nothing", "no-zone", "for-ever", "raises"],
)
async def test_what_is_no_time_fails_the_step(
    replicas: Replicas, database: Database, step: Step, words: str
) -> None:
    """D2-05: the author's mistake is the step's failure, in words."""
    service = await replicas.start(a_library(a_flow(step)))
    run_id = await launch(service)

    assert await ended(service, run_id) == "failed"
    assert words in (await run_row(database, run_id))["error"]["message"]


@pytest.mark.unsound
async def test_a_wait_whose_timer_vanished_ends(replicas: Replicas, database: Database) -> None:
    """P4: a step that waits for a timer that is not there waits for nothing."""
    service = await replicas.start(a_library(a_flow(nap("1h"))), patience_seconds=0.2)
    run_id = await launch(service)
    await asleep(service, database, run_id)
    await database.sql("DELETE FROM flow_timers")
    await forget(database, run_id)

    assert await ended(service, run_id) == "completed"
    assert len(await tale(database, run_id, "run.repaired")) == 1
