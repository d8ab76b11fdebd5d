"""Commits of two replicas that are in flight together: held up at the run's row, then let go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher, done
from fixtures.libraries import a_flow, a_library, agent
from fixtures.runs import ended, launch, report, run_row, steps
from fixtures.services import Replicas
from fixtures.steering import asked, decide, pause, resume, retry, said, stop, tale
from fixtures.waiting import until
from flowrunner.bootstrap.service import Service
from flowrunner.core.decision import Verdict
from flowrunner.core.model import RunId
from flowrunner.definitions.flow import Approval, Step
from flowrunner.service.approvals import AlreadyDecidedError

pytestmark = pytest.mark.anyio

WAITING = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%%apply_v2%%'
"""
GATE = Step("gate", kind="approval", run="Ship it?", approval=Approval(on_reject="continue"))


@asynccontextmanager
async def held_up(database: Database, run_id: RunId, count: int) -> AsyncGenerator[None]:
    """Whatever is told inside is let go when *count* commits wait for the run's row."""
    async with await database.connect("admin") as conn, conn.transaction():
        await conn.execute("SELECT FROM flow_runs WHERE id = %s FOR UPDATE", (run_id,))
        yield
        await until(lambda: are_waiting(database, count))


async def are_waiting(database: Database, count: int) -> bool:
    return await database.value(WAITING) == count


async def both(
    database: Database, run_id: RunId, one: Awaitable[Any], two: Awaitable[Any]
) -> list[Any]:
    """What two replicas answer whose commits were in flight together."""
    async with held_up(database, run_id, 2):
        told = asyncio.gather(one, two, return_exceptions=True)
    return list(await told)


async def two_replicas(replicas: Replicas, *flow: Step) -> tuple[Service, Service, RunId]:
    library = a_library(a_flow(*flow))
    one, two = await replicas.start(library), await replicas.start(library)
    run_id = await launch(one)
    return one, two, run_id


async def test_two_decisions_in_flight_are_one(replicas: Replicas, database: Database) -> None:
    """D2-10, P5: both replicas had found the question open; one decision is written, and the other
    person is told by whom, what and when it was decided.
    """
    one, two, run_id = await two_replicas(replicas, GATE, agent("beside"))
    await until(lambda: asked(one, run_id))

    answers = await both(
        database,
        run_id,
        decide(one, run_id, "approve", "ann"),
        decide(two, run_id, "reject", "bob", comment="no"),
    )

    (won,) = [each for each in answers if not isinstance(each, BaseException)]
    (lost,) = [each for each in answers if isinstance(each, AlreadyDecidedError)]
    what = {"approve": "approved", "reject": "rejected"}[won.decision]
    assert f"already {what} by {won.decided_by} at 20" in str(lost)
    (event,) = await said(database, run_id, "approval.decided")
    assert event["actor"] == won.decided_by
    assert (await steps(database, run_id))["gate"] == "completed"
    await one.runs.cancel(run_id, "enough", "ann")


async def test_two_results_in_flight_are_both_applied(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """P1, P5, I7: the one that lost decides again on what the other wrote."""
    one, two, run_id = await two_replicas(replicas, agent("a"), agent("b"), agent("c", "a", "b"))
    a, b = await dispatcher.take(run_id, "a", "b")

    answers = await both(
        database,
        run_id,
        one.tasks.report(a.task_id, done(a)),
        two.tasks.report(b.task_id, done(b)),
    )

    assert [answer.verdict for answer in answers] == ["accepted", "accepted"]
    assert await dispatcher.finish(two, run_id) == "completed"
    assert (await report(database, run_id))["ok"] == ["a", "b", "c"]


async def test_a_pause_and_a_result_in_flight(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """F38, P5: whichever comes first, the result counts and nothing more is offered."""
    one, two, run_id = await two_replicas(replicas, agent("a"), agent("b", "a"), agent("c"))
    a, c = await dispatcher.take(run_id, "a", "c")

    verdict, answer = await both(
        database, run_id, pause(two, run_id), one.tasks.report(a.task_id, done(a))
    )

    assert (verdict, answer.verdict) == (Verdict.ACCEPTED, "accepted")
    found = await steps(database, run_id)
    assert (found["a"], found["c"]) == ("completed", "running")
    assert (await run_row(database, run_id))["status"] == "paused"
    await one.tasks.report(c.task_id, done(c))
    assert await resume(one, run_id) is Verdict.ACCEPTED
    for task in dispatcher.held.values():
        await one.tasks.report(task.task_id, done(task))
    assert await dispatcher.finish(one, run_id) == "completed"


async def test_the_same_word_twice_in_flight_is_one_event(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """F38..F40, P1: pause, resume, stop a step, retry: each is done once, told once."""
    one, two, run_id = await two_replicas(replicas, agent("a"))
    await dispatcher.take(run_id, "a")

    paused = await both(database, run_id, pause(one, run_id), pause(two, run_id))
    resumed = await both(database, run_id, resume(one, run_id), resume(two, run_id))
    stopped = await both(database, run_id, stop(one, run_id, 0), stop(two, run_id, 0))
    assert await ended(one, run_id) == "failed"
    retried = await both(database, run_id, retry(one, run_id), retry(two, run_id))

    assert sorted(paused) == sorted(resumed) == [Verdict.ACCEPTED, Verdict.DUPLICATE]
    assert sorted(stopped) == sorted(retried) == [Verdict.ACCEPTED, Verdict.LATE]
    kinds = ("run.paused", "run.resumed", "step.failed a", "run.retried")
    lines = await tale(database, run_id)
    assert [lines.count(kind) for kind in kinds] == [1, 1, 1, 1]
    await one.runs.cancel(run_id, "enough", "ann")
