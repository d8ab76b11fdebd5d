"""Approvals, waits and their timers in rows: one open question per step, and nothing left behind."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest

from fixtures.by_hand import ByHand, a_body, by_hand
from fixtures.databases import Database
from fixtures.waiting import until
from flowrunner.core import inputs as inp
from flowrunner.core.bodies import EXPIRED_APPROVED
from flowrunner.core.graph import (
    ApprovalSpec,
    Expiry,
    Graph,
    Limits,
    OnFail,
    Rejection,
    StepKind,
    StepSpec,
)
from flowrunner.core.model import StepStatus
from flowrunner.db.apply import apply
from flowrunner.db.approvals import ApprovalFilter, count_open, find_approvals, list_approvals
from flowrunner.db.runs import load_run
from integration.db.questions import asked

pytestmark = pytest.mark.anyio

DUE = inp.TimerKind


async def approvals(database: Database) -> list[tuple[Any, ...]]:
    query = "SELECT attempt, status, actor FROM flow_approvals ORDER BY run_id, step_no, attempt"
    return await database.sql(query)


async def timers(database: Database) -> list[tuple[Any, ...]]:
    return await database.sql("SELECT step_no, kind, token FROM flow_timers ORDER BY 1, 2")


async def as_stored(run: ByHand) -> None:
    loaded = await load_run(run.conn, run.run_id)
    assert loaded is not None
    assert loaded.state == run.state


async def test_a_question_is_asked_and_answered(database: Database) -> None:
    """D2-10: it stands in the inbox, then with who answered and when; its step has the answer."""
    async with await database.connect() as conn:
        run = await asked(conn)
        (line,) = await list_approvals(conn, ApprovalFilter(), 10)
        assert (line.step_key, line.attempt, line.digest, line.request) == (
            "ask",
            1,
            "d1",
            b"is it?",
        )
        assert await count_open(conn, ApprovalFilter()) == 1
        await as_stored(run)
        await run.answer("ask", comment="fine")
        await as_stored(run)
        (answered,) = await find_approvals(conn, run.run_id, 1)
        assert await list_approvals(conn, ApprovalFilter(), 10) == []

    assert (answered.status, answered.actor, answered.comment) == ("approved", "ann", "fine")
    assert answered.answer == b'{"approved": true}'
    assert answered.decided_at is not None
    assert run.state.steps[1].status is StepStatus.COMPLETED


async def test_the_first_of_two_replicas_decides(database: Database) -> None:
    """D2-10: both decide on the same version: one is written, the other is a conflict."""
    async with await database.connect() as conn, await database.connect() as other:
        run = await asked(conn)
        ref, bodies = a_body("{}")
        first = inp.ApprovalGiven(1, 1, approved=True, actor="ann", answer=ref)
        second = inp.ApprovalGiven(1, 1, approved=False, actor="bob", answer=ref)
        changes = [run.change(run.decide(given), bodies) for given in (first, second)]

        answers = await asyncio.gather(apply(conn, changes[:1]), apply(other, changes[1:]))

    verdicts = sorted(answer[run.run_id].verdict for answer in answers)
    assert verdicts == ["conflict", "ok"]
    assert len([row for row in await approvals(database) if row[1] != "open"]) == 1


async def test_an_answer_to_nothing_is_a_bug_and_is_refused(database: Database) -> None:
    """D2-10: the first decision stands even if a program forgot to look."""
    async with await database.connect() as conn:
        run = await asked(conn)
        await database.sql("UPDATE flow_approvals SET status = 'withdrawn', decided_at = now()")
        with pytest.raises(psycopg.Error, match="an approval that is not open") as refused:
            await run.answer("ask")
        assert refused.value.sqlstate == "FR003"
        await database.sql("UPDATE flow_approvals SET status = 'open', decided_at = NULL")

    assert await approvals(database) == [(1, "open", None)]


async def test_a_step_asks_one_question_at_a_time(database: Database) -> None:
    """D2-10: a second open question of a step cannot be stored."""
    async with await database.connect() as conn:
        await asked(conn)

    with pytest.raises(psycopg.errors.UniqueViolation):
        await database.sql(
            "INSERT INTO flow_approvals (run_id, step_no, attempt, status, request_ref, digest)"
            " SELECT run_id, step_no, 2, status, request_ref, digest FROM flow_approvals"
        )


async def test_a_question_expires_and_takes_its_timers_along(database: Database) -> None:
    """P6: the expiry is the end of the step, the row and the reminder, in one statement."""
    spec = ApprovalSpec(expires_seconds=60, remind_seconds=10)
    async with await database.connect() as conn:
        run = await asked(conn, spec)
        assert await timers(database) == [(1, "expiry", 1), (1, "reminder", 1)]
        await run.tell(inp.TimerFired(DUE.REMINDER, 1, 1))
        assert await timers(database) == [(1, "expiry", 1), (1, "reminder", 2)]
        (line,) = await list_approvals(conn, ApprovalFilter(), 10)
        assert line.expires_at is not None
        assert 59 < (line.expires_at - line.requested_at).total_seconds() < 61
        await run.tell(inp.TimerFired(DUE.EXPIRY, 1, 1))
        await as_stored(run)

    assert await approvals(database) == [(1, "expired", None)]
    assert await timers(database) == []


async def test_an_expiry_that_approves_says_who_did(database: Database) -> None:
    """D2-10: nobody approved: the row says that it expired, and the answer is stored with it."""
    spec = ApprovalSpec(expires_seconds=60, on_expiry=Expiry.APPROVE)
    async with await database.connect() as conn:
        run = await asked(conn, spec)
        await run.tell(inp.TimerFired(DUE.EXPIRY, 1, 1))
        await as_stored(run)
        loaded = await load_run(conn, run.run_id)

    assert loaded is not None
    assert loaded.outputs[1] == EXPIRED_APPROVED
    assert await approvals(database) == [(1, "expired", "expiry")]


@pytest.mark.parametrize("how", ["cancelled", "stopped", "sibling"])
async def test_a_question_is_withdrawn_when_its_step_ends_otherwise(
    database: Database, how: str
) -> None:
    """P6: cancelled with the run, stopped by hand, or stopped by another step's failure."""
    spec = ApprovalSpec(expires_seconds=60, remind_seconds=10)
    async with await database.connect() as conn:
        run = await asked(conn, spec)
        given: dict[str, inp.Input] = {
            "cancelled": inp.CancelRequested("", "ann"),
            "stopped": inp.StopRequested(1, "", "ann"),
            "sibling": inp.TimerFired(DUE.RUN_DEADLINE, -1, 0),
        }
        if how == "sibling":
            await database.sql(
                "INSERT INTO flow_timers SELECT id, -1, 'run_deadline', 0, now() FROM flow_runs"
            )
        await run.tell(given[how])
        await as_stored(run)

    assert await approvals(database) == [(1, "withdrawn", None)]
    assert await timers(database) == []


async def test_a_rejection_sends_the_run_back_and_asks_anew(database: Database) -> None:
    """F41: the question stays, rejected; the next one is another row, and the run goes on."""
    spec = ApprovalSpec(on_reject=Rejection.REDO, redo_from=0, expires_seconds=60)
    async with await database.connect() as conn:
        run = await asked(conn, spec)
        await run.answer("ask", approved=False)
        await as_stored(run)
        assert await timers(database) == []
        assert run.state.generation == 2
        await run.hold()
        await run.complete("work", "said again")
        await run.ask("ask", "and now?")
        await as_stored(run)

    assert await approvals(database) == [(1, "rejected", "ann"), (2, "open", None)]
    assert await timers(database) == [(1, "expiry", 2)]
    assert run.state.steps[1].redos == 1
    assert await database.value("SELECT generation FROM flow_runs") == 2
    assert await database.value("SELECT count(*) FROM task_queue WHERE step_no = 2") == 1


async def test_a_wait_has_a_timer_and_ends_with_it(database: Database) -> None:
    """P6: it blocks, and its timer goes with its end, whichever that is."""
    graph = Graph((StepSpec("nap", StepKind.WAIT), StepSpec("doze", StepKind.WAIT)))
    async with await database.connect() as conn:
        run = await by_hand(conn, graph)
        await run.tell(inp.WaitSet(0, 60), inp.WaitSet(1, 60))
        await as_stored(run)
        assert await timers(database) == [(0, "wake", 1), (1, "wake", 1)]
        await run.tell(inp.TimerFired(DUE.WAKE, 0, 1))
        await as_stored(run)
        assert await timers(database) == [(1, "wake", 1)]
        await run.tell(inp.CancelRequested("", ""))

    assert await timers(database) == []
    began = (
        "SELECT count(*) FROM flow_steps WHERE started_at IS NOT NULL AND dispatched_at IS NOT NULL"
    )
    assert await database.value(began) == 2


async def test_a_task_that_lies_too_long_fails_if_nobody_has_it(database: Database) -> None:
    """P2, F31: the guard of epoch 0 holds only while the task is offered and unheld."""
    limits = Limits(queue_seconds=5)
    graph = Graph((StepSpec("a", StepKind.CODE, limits=limits, on_fail=OnFail.TOLERATE),))
    async with await database.connect() as conn:
        for is_held in (True, False):
            run = await by_hand(conn, graph)
            assert await database.value("SELECT kind FROM flow_timers") == "queue"
            if is_held:
                await run.hold()
            fired = await run.tell(inp.TimerFired(DUE.QUEUE, 0, 1))
            assert fired.verdict == ("stale" if is_held else "ok")
            assert fired.stale == (((0, 0),) if is_held else ())
            await as_stored(run)
            held = await database.value("SELECT count(*) FROM task_queue WHERE epoch IS NOT NULL")
            assert held == is_held
            if is_held:
                await run.complete("a")
            assert await timers(database) == []


async def test_a_claim_that_came_first_keeps_its_task(database: Database) -> None:
    """P2: a claim in flight is waited for, and then the task is not taken from its holder."""
    graph = Graph((StepSpec("a", StepKind.CODE, limits=Limits(queue_seconds=5)),))
    async with await database.connect() as conn, await database.connect() as claimer:
        run = await by_hand(conn, graph)
        mine = ByHand(claimer, run.new, run.state)
        async with claimer.transaction():
            await mine.hold()
            firing = asyncio.create_task(run.tell(inp.TimerFired(DUE.QUEUE, 0, 1)))
            waits = "SELECT pid FROM pg_locks WHERE NOT granted AND pid = %s"
            await until(lambda: database.sql(waits, (conn.info.backend_pid,)))
        fired = await firing
        run.held = mine.held
        await run.complete("a")

    assert fired.verdict == "stale"
