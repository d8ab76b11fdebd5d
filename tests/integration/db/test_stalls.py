"""The detector's statement: who waits for nothing, and who only seems to (P4)."""

from __future__ import annotations

from uuid import UUID

import pytest

from builders import a_graph
from fixtures.by_hand import ByHand, by_hand
from fixtures.databases import Database
from flowrunner.core import inputs as inp
from flowrunner.core.graph import ApprovalSpec, EachSpec, Graph, StepKind, StepSpec
from flowrunner.core.model import RunId
from flowrunner.db.pool import Conn
from flowrunner.db.stalls import Stalled, list_stalled

pytestmark = [pytest.mark.anyio, pytest.mark.unsound]

ASK = StepSpec(
    "ask", StepKind.APPROVAL, approval=ApprovalSpec(expires_seconds=60, remind_seconds=9)
)
NAP = StepSpec("nap", StepKind.WAIT)
LIST = StepSpec("list", StepKind.AGENT, each=EachSpec())


async def stalled(conn: Conn) -> list[Stalled]:
    return await list_stalled(conn, patience_seconds=-1, after=RunId(UUID(int=0)))


async def a_waiting_run(conn: Conn) -> ByHand:
    """A question, a wait and a list whose one member is held."""
    run = await by_hand(conn, Graph((ASK, NAP, LIST)))
    await run.ask("ask")
    await run.tell(inp.WaitSet(1, 60))
    await run.expand("list", "x")
    await run.prepare("list[x]")
    await run.hold()
    return run


async def test_what_waits_for_something_is_no_stall(database: Database) -> None:
    """P4: a question, a timer, a task: each alone is enough; and so is a pause."""
    async with await database.connect() as conn:
        await a_waiting_run(conn)
        await (await by_hand(conn, Graph((StepSpec("ask", StepKind.APPROVAL),)))).ask("ask")
        await (await by_hand(conn, Graph((NAP,)))).tell(inp.WaitSet(0, 60))
        ready = await by_hand(conn, a_graph("a"))
        paused = await by_hand(conn, a_graph("a()"))
        await paused.tell(inp.PauseRequested("", ""))
        await database.sql("DELETE FROM task_queue WHERE run_id = %s", (paused.run_id,))

        assert await stalled(conn) == []
        assert ready.state.steps[0].attempt == 1


@pytest.mark.parametrize(
    ("lost", "missing"),
    [("kind = 'wake'", (1,)), ("kind = 'expiry'", (0,)), ("kind = 'reminder'", None)],
)
async def test_a_lost_timer_is_missed_beside_an_open_question(
    database: Database, lost: str, missing: tuple[int, ...] | None
) -> None:
    """P4: a question that stays open for days hides no wait that would never end."""
    async with await database.connect() as conn:
        run = await a_waiting_run(conn)
        await database.sql(f"DELETE FROM flow_timers WHERE {lost}")  # noqa: S608
        assert await stalled(conn) == []  # a task is in the queue: its end will come
        await run.complete("list[x]")
        await run.gather("list")

        assert await stalled(conn) == ([] if missing is None else [Stalled(run.run_id, missing)])
        if missing is not None:
            await run.tell(inp.StallFound("detector", missing))
            assert await stalled(conn) == []


async def test_a_lost_task_is_missed_beside_an_open_question(database: Database) -> None:
    """P4: the member's task is gone: the run is not busy, and its steps are read."""
    async with await database.connect() as conn:
        run = await a_waiting_run(conn)
        await database.sql("DELETE FROM task_queue")

        assert await stalled(conn) == [Stalled(run.run_id, (3,))]


async def test_a_list_that_nobody_gathers_is_found(database: Database) -> None:
    """P4: all members ended and whoever was asked for the results died."""
    async with await database.connect() as conn:
        run = await a_waiting_run(conn)
        await run.complete("list[x]")

        assert await stalled(conn) == [Stalled(run.run_id, ())]


async def test_a_ready_step_that_nobody_prepares_is_found(database: Database) -> None:
    """P4: ready steps and due reports are somebody's work for a moment, not for ever."""
    async with await database.connect() as conn:
        run = await by_hand(conn, a_graph("a()", "b<-a"))
        await run.hold()
        await run.complete("a")
        assert await stalled(conn) == [Stalled(run.run_id, ())]
        assert await list_stalled(conn, patience_seconds=60, after=RunId(UUID(int=0))) == []
        assert await list_stalled(conn, patience_seconds=-1, after=run.run_id) == []
        await run.prepare("b")
        assert await stalled(conn) == []
        await run.hold()
        await run.complete("b")

        assert await stalled(conn) == [Stalled(run.run_id, ())]
