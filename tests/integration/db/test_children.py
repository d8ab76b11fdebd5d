"""Members of lists, iterations and calls in rows: written by decisions, read back as folded.

Each test ends with the check of the whole database (see `fixtures.databases`): the log of each run is
folded and compared with its rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from fixtures.by_hand import ByHand, a_body, a_new_run, by_hand
from fixtures.databases import Database
from flowrunner.core import inputs as inp
from flowrunner.core.decision import Decision
from flowrunner.core.folding import fold
from flowrunner.core.graph import (
    EachSpec,
    Graph,
    Limits,
    RepeatSpec,
    RetryPolicy,
    StepKind,
    StepSpec,
)
from flowrunner.core.model import StepStatus, unstarted
from flowrunner.db.launch import launch
from flowrunner.db.runs import load_run
from integration.db.lists import a_list, as_stored, offer_at_once

pytestmark = pytest.mark.anyio


async def column(database: Database, name: str, run: ByHand) -> list[object]:
    query = f"SELECT {name} FROM flow_steps WHERE run_id = %s ORDER BY step_no"  # noqa: S608
    return [value for (value,) in await database.sql(query, (run.run_id,))]


async def test_a_list_becomes_children_that_load_as_they_were(database: Database) -> None:
    """P7, F13: after every decision of a list's life the rows fold to the resident state."""
    async with await database.connect() as conn:
        run = await by_hand(conn, a_list(EachSpec(parallel=2)))
        await run.expand("list", "x", "y", "z")
        await as_stored(run)
        for key in ("list[x]", "list[y]"):
            await run.prepare(key)
            await as_stored(run)
        await run.hold()
        await run.complete("list[y]")
        await as_stored(run)
        await run.prepare("list[z]")
        await run.hold()
        for key in ("list[z]", "list[x]"):
            await run.complete(key)
            await as_stored(run)
        await run.gather("list")
        await as_stored(run)
        assert await column(database, "parent_no", run) == [None, None, 0, 0, 0]
        assert await column(database, "item_no", run) == [None, None, 0, 1, 2]
        keys = await column(database, "key", run)
    assert keys == ["list", "after", "list[x]", "list[y]", "list[z]"]
    assert run.state.steps[1].status is StepStatus.RUNNING


async def test_an_empty_list_is_a_list(database: Database) -> None:
    """F13: no children, and the run goes on."""
    async with await database.connect() as conn:
        run = await by_hand(conn, a_list())
        await run.expand("list")
        await as_stored(run)
        await run.gather("list")
        await as_stored(run)

    assert run.state.steps[0].status is StepStatus.COMPLETED


async def test_children_and_their_tasks_are_made_by_one_decision(database: Database) -> None:
    """P1: expanded, prepared and offered at once: rows are inserted as they end up."""
    async with await database.connect() as conn:
        run = await by_hand(conn, a_list())
        await offer_at_once(run, "x", "y")
        await as_stored(run)
        await run.hold()

    assert sorted(run.held) == ["list[x]", "list[y]"]
    written = "SELECT count(DISTINCT xmin::text) FROM flow_steps WHERE parent_no IS NOT NULL"
    assert await database.value(written) == 1
    assert await database.value("SELECT count(*) FROM tasks") == 2


async def test_a_launch_may_expand_at_once(database: Database) -> None:
    """D2-06: children, their tasks, a wait and a question are part of one statement."""
    graph = Graph(
        (
            StepSpec("list", StepKind.AGENT, each=EachSpec(parallel=1)),
            StepSpec("nap", StepKind.WAIT),
            StepSpec("ask", StepKind.APPROVAL),
        )
    )
    async with await database.connect() as conn:
        new = await a_new_run(conn, graph)
        run = ByHand(conn, new, unstarted(graph))
        ref, bodies = a_body("[]")
        answers: Sequence[Sequence[inp.Input]] = (
            [inp.Launched("demo", "small", "d0")],
            [inp.Expanded(0, ("x", "y"), ref), inp.WaitSet(1, 5), inp.ApprovalBuilt(2, ref, "d")],
            [inp.PromptBuilt(3, ref)],
        )
        decision = Decision()
        for given in answers:
            later = run.decide(*given)
            run.state, decision = fold(run.state, later.events), decision.then(later)
        await launch(conn, new, run.state, decision, bodies={new.input_ref: b"{}", **bodies})
        await as_stored(run)
        await run.hold()

    assert list(run.held) == ["list[x]"]
    assert await column(database, "status", run) == [*["blocked"] * 3, "running", "pending"]
    assert await database.value("SELECT kind FROM flow_timers") == "wake"
    assert await database.value("SELECT status FROM flow_approvals") == "open"


async def test_a_loop_and_its_iterations_load_as_they_were(database: Database) -> None:
    """P7, F15: iterations are children that may lie apart; their count follows from their rows."""
    loop = StepSpec("loop", StepKind.AGENT, repeat=RepeatSpec(at_most=2))
    other = StepSpec("list", StepKind.AGENT, each=EachSpec())
    async with await database.connect() as conn:
        run = await by_hand(conn, Graph((loop, other)))
        await run.expand("list", "x")
        for number in (1, 2):
            await run.prepare(f"loop[{number}]")
            await as_stored(run)
            await run.hold()
            await run.complete(f"loop[{number}]", f"said {number}")
            await as_stored(run)
            ref, bodies = a_body(f"said {number}")
            await run.tell(inp.LoopJudged(0, number, answer=number == 2, output=ref), bodies=bodies)
            await as_stored(run)

    assert run.state.steps[0].status is StepStatus.COMPLETED
    assert await column(database, "item_no", run) == [None, None, 1, 0, 2]
    assert await column(database, "family IS NULL", run) == [True, False, True, True, True]


async def test_calls_are_children_and_their_parent_keeps_its_lease(database: Database) -> None:
    """D2-13: a call does not touch its parent's row, nor its task; what it asked for is kept."""
    code = StepSpec("code", StepKind.CODE, limits=Limits(90.0))
    async with await database.connect() as conn:
        run = await by_hand(conn, Graph((code,)))
        await run.hold()
        before = await database.value("SELECT xmin::text FROM flow_steps WHERE step_no = 0")
        await run.call("code", "one")
        await run.call("code", "two")
        assert await database.value("SELECT xmin::text FROM flow_steps WHERE step_no = 0") == before
        await as_stored(run)
        await run.hold()
        await run.complete("code/one")
        await as_stored(run)
        assert await column(database, "call->>'max_attempts'", run) == [None, "1", "1"]
        queued = await database.sql("SELECT step_no FROM task_queue ORDER BY step_no")
        assert queued == [(0,), (2,)]
        await run.complete("code")
        await as_stored(run)

    assert await column(database, "status", run) == ["completed", "completed", "cancelled"]


async def test_what_a_call_asked_for_survives_a_restart(database: Database) -> None:
    """D2-13: persona, attempts and limit of a call are its row's, for the graph does not know."""
    async with await database.connect() as conn:
        run = await by_hand(conn, Graph((StepSpec("code", StepKind.CODE),)))
        await run.hold()
        ref, bodies = a_body("ask")
        asked = inp.CallAsked(0, 1, run.held["code"], "k/1[2]", ref, "critic", 3, 12.5)
        await run.tell(asked, bodies=bodies)
        loaded = await load_run(conn, run.run_id)

    assert loaded is not None
    child = loaded.state.spec(1)
    assert (child.key, child.persona, child.kind) == ("code/k/1[2]", "critic", StepKind.AGENT)
    assert (child.retry.max_attempts, child.limits.total_seconds) == (3, 12.5)
    assert child == run.state.spec(1)


async def test_what_runs_when_its_parent_fails_is_stopped_with_it(database: Database) -> None:
    """P6: a list whose quorum cannot be met ends its members, held back ones as well."""
    async with await database.connect() as conn:
        run = await by_hand(conn, a_list(EachSpec(parallel=2)))
        await run.expand("list", "x", "y", "z")
        await run.prepare("list[x]")
        await run.prepare("list[y]")
        await run.hold()
        await run.fail("list[x]")
        await as_stored(run)

    assert await database.value("SELECT count(*) FROM task_queue") == 0
    statuses = await column(database, "status", run)
    assert statuses == ["failed", "cancelled", "failed", "cancelled", "cancelled"]


async def test_a_retry_of_a_member_is_the_members_own(database: Database) -> None:
    """F13, F30: each member has its attempts, and its timer goes with it."""
    async with await database.connect() as conn:
        run = await by_hand(conn, a_list(retry=RetryPolicy(max_attempts=2)))
        await run.expand("list", "x")
        await run.prepare("list[x]")
        await run.hold()
        await run.tell(run.flaky("list[x]"))
        await as_stored(run)
        assert await database.sql("SELECT step_no, kind FROM flow_timers") == [(2, "retry")]
        await run.tell(inp.StopRequested(2, "enough", "ann"))
        await as_stored(run)

    assert await database.value("SELECT count(*) FROM flow_timers") == 0


async def test_a_row_is_written_only_where_something_changed(database: Database) -> None:
    """A1: a member's end writes its own row and its list's count, and nothing else."""
    async with await database.connect() as conn:
        run = await by_hand(conn, a_list())
        await run.expand("list", "x", "y")
        for key in ("list[x]", "list[y]"):
            await run.prepare(key)
        await run.hold()
        await run.complete("list[x]")
        written = (
            "SELECT step_no FROM flow_steps WHERE xmin = (SELECT xmin FROM flow_runs) ORDER BY 1"
        )

        assert await database.sql(written) == [(0,), (2,)]
