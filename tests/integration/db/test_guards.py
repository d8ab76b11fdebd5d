"""Guards of one decision, each for itself; and what a decision that begins and ends a run leaves."""

from __future__ import annotations

import pytest

from fixtures.by_hand import ByHand, a_body, by_hand
from fixtures.databases import Database
from flowrunner.core import inputs as inp
from flowrunner.core.folding import fold
from flowrunner.core.graph import ApprovalSpec, Graph, Limits, StepKind, StepSpec
from flowrunner.core.model import Failure
from flowrunner.core.scheduling import decide
from integration.db.lists import as_stored

pytestmark = pytest.mark.anyio

FATAL = Failure("agent_error", "it gave up")


async def test_held_and_held_by_nobody_are_two_guards(database: Database) -> None:
    """P2, F31: code that calls while its queue limit is due: it is held, so the limit is stale, and
    with it the whole decision. The lease stands, and the call can be made.
    """
    graph = Graph((StepSpec("a", StepKind.CODE, limits=Limits(queue_seconds=0.0)),))
    async with await database.connect() as conn:
        run = await by_hand(conn, graph)
        await run.hold()
        epoch, (prompt, bodies) = run.held["a"], a_body("p")
        asked = inp.CallAsked(0, 1, epoch, "k", prompt)
        due = inp.TimerFired(inp.TimerKind.QUEUE, 0, 1)

        applied = await run.tell(asked, due, bodies=bodies)

        assert (applied.verdict, applied.stale) == ("stale", ((0, 0),))
        assert await database.value("SELECT epoch FROM task_queue") == epoch
        assert (await run.tell(asked, bodies=bodies)).verdict == "ok"
        await as_stored(run)


async def test_a_timer_that_is_told_late_is_not_the_one_that_stands(database: Database) -> None:
    """P1, P2: of two reminders in one decision one was heard before: neither is heard again by it."""
    asked = ApprovalSpec(remind_seconds=0.0)
    async with await database.connect() as conn:
        run = await by_hand(conn, Graph((StepSpec("ask", StepKind.APPROVAL, approval=asked),)))
        await run.ask("ask")
        first, second = (inp.TimerFired(inp.TimerKind.REMINDER, 0, token) for token in (1, 2))
        assert (await run.tell(first)).verdict == "ok"

        applied = await run.tell(first, second)

        assert (applied.verdict, applied.stale) == ("stale", ((0, "reminder"),))
        assert await database.value("SELECT token FROM flow_timers") == 2
        assert (await run.tell(second)).verdict == "ok"


async def test_a_run_that_is_retried_and_ends_at_once_leaves_no_timer(database: Database) -> None:
    """P6, F40: its prompt raises again, and all is one commit: the deadline is over with the run."""
    graph = Graph((StepSpec("a", StepKind.AGENT),), deadline_seconds=600.0)
    async with await database.connect() as conn:
        run = await by_hand(conn, graph)
        await run.hold()
        await run.fail("a")
        await run.render()

        await at_once(
            run,
            inp.RetryRequested("again", "ann"),
            inp.PromptBuilt(0, FATAL),
            inp.ReportRendered(FATAL),
        )

        assert (run.state.status, run.state.generation) == ("failed", 2)
        assert await database.value("SELECT count(*) FROM flow_timers") == 0
        await as_stored(run)


async def test_an_end_keeps_its_report_whatever_else_could_not_be_rendered(
    database: Database,
) -> None:
    """D2-32: the report of an earlier end is asked for, the run begins anew and ends; both answers
    come at once, and the one that failed takes nothing from the other.
    """
    async with await database.connect() as conn:
        run = await by_hand(conn, Graph((StepSpec("a", StepKind.AGENT),)))
        await run.hold()
        await run.complete("a")
        report, bodies = a_body('{"markdown": ""}')

        applied = await run.tell(
            inp.ReportRendered(report, "ok"),
            inp.ReportRendered(FATAL, actor="ann"),
            bodies=bodies,
        )

        assert applied.verdict == "ok"
        stored = await database.sql("SELECT encode(report_ref, 'hex'), outcome FROM flow_runs")
        assert stored == [(report, "ok")]


async def at_once(run: ByHand, *inputs: inp.Input) -> None:
    """One commit of what is decided one after the other, as when user code answers quickly."""
    state, joined = run.state, None
    for given in inputs:
        later = decide(state, [given])
        joined = later if joined is None else joined.then(later)
        state = fold(state, later.events)
    assert joined is not None
    assert (await run.commit(run.change(joined, {}))).verdict == "ok"
