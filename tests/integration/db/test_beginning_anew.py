"""Runs that are paused, begun anew or rendered again, in rows; and what is kept of what was."""

from __future__ import annotations

import pytest

from builders import a_graph
from fixtures.by_hand import ByHand, a_body, a_finished_run, by_hand
from fixtures.databases import Database
from flowrunner.core import inputs as inp
from flowrunner.core.graph import EachSpec, Graph, RetryPolicy, StepKind, StepSpec
from flowrunner.core.model import Failure, RunStatus, StepStatus, Usage
from flowrunner.db.attempts import list_attempts, list_attempts_of
from flowrunner.db.runs import load_run
from flowrunner.db.step_pages import StepFilter, list_step_lines

pytestmark = pytest.mark.anyio

PAUSE, RESUME = inp.PauseRequested("tea", "ann"), inp.ResumeRequested("back", "ann")


async def as_stored(run: ByHand) -> None:
    loaded = await load_run(run.conn, run.run_id)
    assert loaded is not None
    assert loaded.state == run.state


def retry(from_step: int | None = None) -> inp.RetryRequested:
    return inp.RetryRequested("once more", "ann", from_step)


async def a_failed_run(database: Database, run: ByHand) -> None:
    """Let step a complete and b, which needs it, fail; the report is partial."""
    await run.hold()
    await run.complete("a", usage=Usage(10, 5, 2))
    await run.hold()
    await run.fail("b")
    await run.render()
    assert await database.value("SELECT status FROM flow_runs") == "failed"


async def test_a_paused_run_offers_nothing_and_takes_results(database: Database) -> None:
    """F38: what was at work is kept; what it makes ready waits for the resume."""
    async with await database.connect() as conn:
        run = await by_hand(conn, a_graph("a()", "b()<-a"))
        await run.hold()
        await run.tell(PAUSE)
        await as_stored(run)
        await run.complete("a")
        await as_stored(run)
        assert await database.value("SELECT status FROM flow_runs") == "paused"
        assert await database.value("SELECT count(*) FROM task_queue") == 0
        await run.tell(RESUME)
        await as_stored(run)

    assert await database.value("SELECT count(*) FROM task_queue") == 1


async def test_a_retry_timer_that_fires_in_a_pause_is_used_up(database: Database) -> None:
    """P4, F38: the step is due, and goes on with the run."""
    async with await database.connect() as conn:
        run = await by_hand(conn, a_graph("a()*2"))
        await run.hold()
        await run.tell(run.flaky("a"))
        await run.tell(PAUSE)
        await run.tell(inp.TimerFired(inp.TimerKind.RETRY, 0, 1))
        await as_stored(run)
        assert await database.value("SELECT count(*) FROM flow_timers") == 0
        await run.tell(RESUME)

    assert run.state.steps[0].attempt == 2


async def test_what_failed_begins_anew_and_the_rest_stands(database: Database) -> None:
    """F40: the run is live again, its rows forget the failure, its log does not."""
    async with await database.connect() as conn:
        run = await by_hand(conn, a_graph("a()", "b()<-a", "c()<-b", deadline=60.0))
        await a_failed_run(database, run)
        ended_at = await database.value("SELECT finished_at FROM flow_runs")
        assert ended_at is not None
        assert await database.value("SELECT count(*) FROM live_runs") == 0

        await run.tell(retry())

        await as_stored(run)
        row = "SELECT status, generation, finished_at, error, report_ref, outcome FROM flow_runs"
        assert await database.sql(row) == [("running", 2, None, None, None, None)]
        assert await database.value("SELECT count(*) FROM live_runs") == 1
        assert await database.sql("SELECT kind, token FROM flow_timers") == [("run_deadline", 2)]
        again = (
            "SELECT error, output_ref, reason, attempt, finished_at FROM flow_steps WHERE key = 'b'"
        )
        assert await database.sql(again) == [(None, None, None, 2, None)]
        kept = "SELECT output_ref IS NOT NULL FROM flow_steps WHERE key = 'a'"
        assert await database.value(kept)
        for key in ("b", "c"):
            await run.hold()
            await run.complete(key, f"{key} again", usage=Usage(1, 1, 1))
        await run.render()
        await as_stored(run)
        b, c = [await list_attempts(conn, run.run_id, number) for number in (1, 2)]

    assert run.state.status is RunStatus.COMPLETED
    assert [(x.attempt, x.generation, x.status) for x in b] == [
        (1, 1, "failed"),
        (2, 2, "completed"),
    ]
    assert (b[0].error or {})["code"] == "agent_error"
    assert (b[0].output, b[1].usage["input_tokens"]) == (None, 1)
    assert [(x.attempt, x.generation) for x in c] == [(1, 2)]
    assert await database.value("SELECT input_tokens FROM flow_runs") == 12


async def test_a_run_begins_anew_from_the_middle_of_a_diamond(database: Database) -> None:
    """F40: the one side and what follows both sides are done again, the other side is not."""
    async with await database.connect() as conn:
        run = await a_finished_run(
            conn, a_graph("top", "left<-top", "right<-top", "end<-left,right")
        )
        await run.tell(retry(1))
        await as_stored(run)
        attempts = "SELECT attempt FROM flow_steps ORDER BY step_no"
        cleared = "SELECT key FROM flow_steps WHERE prompt_ref IS NULL AND output_ref IS NULL"
        assert sorted(key for (key,) in await database.sql(cleared)) == ["end", "left"]
        for key in ("left", "end"):
            await run.prepare(key, "once more")
            await run.hold()
            await run.complete(key, "again")
        await as_stored(run)
        await run.render()
        await as_stored(run)

    assert await database.sql(attempts) == [(1,), (2,), (1,), (2,)]
    assert await database.value("SELECT count(*) FROM tasks") == 6


async def test_a_list_is_reopened_for_its_failed_members(database: Database) -> None:
    """F40, F13: other members' results stand, and the list waits for the rest again."""
    graph = Graph((StepSpec("list", StepKind.AGENT, each=EachSpec(parallel=2)),))
    async with await database.connect() as conn:
        run = await by_hand(conn, graph)
        await run.expand("list", "x", "y", "z")
        await run.prepare("list[x]")
        await run.prepare("list[y]")
        await run.hold()
        await run.complete("list[x]")
        await run.fail("list[y]")
        await run.render()
        await as_stored(run)
        await run.tell(retry())
        await as_stored(run)
        assert run.state.steps[0].status is StepStatus.BLOCKED
        for key in ("list[y]", "list[z]"):
            await run.prepare(key, "again")
            await as_stored(run)
            await run.hold()
            await run.complete(key)
            await as_stored(run)
        await run.gather("list")
        await run.render()
        await as_stored(run)

    outputs = "SELECT count(*) FROM flow_steps WHERE parent_no = 0 AND status = 'completed'"
    assert await database.value(outputs) == 3
    assert await database.value("SELECT count(*) FROM flow_steps WHERE left_behind") == 0


async def test_children_of_a_list_that_begins_anew_are_left_behind(database: Database) -> None:
    """F40: they stay to be read, new ones are made; lists of steps show the new ones."""
    graph = Graph((StepSpec("list", StepKind.AGENT, each=EachSpec()),))
    async with await database.connect() as conn:
        run = await by_hand(conn, graph)
        for generation in (1, 2):
            await run.expand("list", "x")
            await run.prepare("list[x]", f"in generation {generation}")
            await run.hold()
            await run.complete("list[x]")
            await run.gather("list")
            await run.render()
            if generation == 1:
                await run.tell(retry(0))
            await as_stored(run)
        now = await list_step_lines(conn, run.run_id, StepFilter(), 10)
        ever = await list_step_lines(conn, run.run_id, StepFilter(replaced=True), 10)
        mine = await list_step_lines(conn, run.run_id, StepFilter(parent="list"), 10)
        done = await list_step_lines(conn, run.run_id, StepFilter(("running",)), 10)
        rest = await list_step_lines(conn, run.run_id, StepFilter(after=0), 1)

    assert [(line.step_no, line.key, line.replaced) for line in ever] == [
        (0, "list", False),
        (1, "list[x]", True),
        (2, "list[x]", False),
    ]
    assert [line.step_no for line in now] == [0, 2]
    assert [(line.step_no, line.parent, line.item_no) for line in mine] == [(2, "list", 0)]
    assert (now[0].total, now[0].live, now[0].completed, now[0].failed) == (1, 0, 1, 0)
    assert (mine[0].total, done, [line.step_no for line in rest]) == (None, [], [2])


async def test_calls_that_completed_answer_the_next_generation(database: Database) -> None:
    """D2-13: the journal outlives a retry of what failed; calls that failed are left behind."""
    graph = Graph((StepSpec("code", StepKind.CODE),))
    async with await database.connect() as conn:
        run = await by_hand(conn, graph)
        await run.hold()
        await run.call("code", "good")
        await run.call("code", "bad")
        await run.hold()
        await run.complete("code/good")
        await run.fail("code/bad")
        await run.fail("code")
        await run.render()
        await run.tell(retry())
        await as_stored(run)
        left = "SELECT key FROM flow_steps WHERE left_behind"
        assert await database.sql(left) == [("code/bad",)]
        await run.hold()
        await run.call("code", "bad")
        await as_stored(run)
        await run.hold()
        await run.complete("code/bad")
        await run.complete("code")
        await run.render()
        await run.tell(retry(0))
        await as_stored(run)

    assert len(await database.sql(left)) == 3


async def test_a_report_is_rendered_again(database: Database) -> None:
    """F46: an end stays what it was and when it was; only the report is new."""
    async with await database.connect() as conn:
        run = await a_finished_run(conn, a_graph("a"))
        row = "SELECT status, finished_at FROM flow_runs"
        before = await database.sql(row)
        report, bodies = a_body('{"markdown": "new"}')
        await run.tell(inp.ReportRendered(report, "better", "ann"), bodies=bodies)
        await as_stored(run)
        assert await database.sql(row) == before
        told = "SELECT encode(report_ref, 'hex'), outcome FROM flow_runs"
        assert await database.sql(told) == [(report, "better")]
        await run.tell(inp.ReportRendered(Failure("render_failed", "no"), actor="ann"))
        await as_stored(run)

    assert await database.sql(told) == [(report, "better")]
    assert await database.sql(row) == before


async def test_attempts_of_a_step_are_told_while_it_is_at_work(database: Database) -> None:
    """R2-51: offered, held, tried again: each attempt with its prompt, its worker, its end."""
    graph = Graph(
        (StepSpec("a", StepKind.AGENT, retry=RetryPolicy(3, 0.0)), StepSpec("b", StepKind.CODE))
    )
    async with await database.connect() as conn:
        run = await by_hand(conn, graph)
        offered = await list_attempts(conn, run.run_id, 0)
        await run.hold()
        held = await list_attempts(conn, run.run_id, 0)
        await run.tell(run.flaky("a"))
        found = await list_attempts_of(conn, run.run_id, (0, 1, 7))

    assert [(x.status, x.worker, x.claimed_at) for x in offered] == [("queued", None, None)]
    (now,) = held
    assert (now.status, now.worker, now.epoch) == ("running", "hand", run.held["a"])
    assert now.claimed_at is not None
    assert now.prompt == a_body("do it")[0]
    first, second = found[0]
    assert (first.status, first.epoch) == ("retrying", run.held["a"])
    assert (first.error or {})["code"] == "overloaded"
    assert first.ended_at is not None
    assert second.status == "queued"
    assert [x.status for x in found[1]] == ["running"]
    assert set(found) == {0, 1}
