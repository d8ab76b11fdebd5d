"""The inbox of open questions, and the runs that wait for answers."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from fixtures.by_hand import by_hand
from fixtures.databases import Database
from flowrunner.core.graph import Graph, StepKind, StepSpec
from flowrunner.db.approvals import LIST_OPEN_APPROVALS, ApprovalFilter, list_approvals
from flowrunner.db.pages import RunFilter, count_waiting, list_live_run_ids, list_runs
from integration.db.questions import asked

pytestmark = pytest.mark.anyio


async def test_the_inbox_is_paged_oldest_first(database: Database) -> None:
    """C5, F41: keyset pages over the open ones, also when several were asked in one statement."""
    graph = Graph(tuple(StepSpec(f"ask{n}", StepKind.APPROVAL) for n in range(5)))
    async with await database.connect() as conn:
        runs = [await by_hand(conn, graph) for _ in range(2)]
        for run in runs:
            for n in range(5):
                await run.ask(f"ask{n}")
        await runs[0].answer("ask3")
        seen: list[tuple[Any, int]] = []
        only = ApprovalFilter()
        while page := await list_approvals(conn, only, 4):
            seen += [(line.run_id, line.step_no) for line in page]
            only = ApprovalFilter(after=page[-1].place)
        mine = await list_approvals(conn, ApprovalFilter(run_id=runs[1].run_id), 10)
        said = await list_approvals(conn, ApprovalFilter(statuses=("approved",)), 10)
        none = await list_approvals(conn, ApprovalFilter(flow="other"), 10)

    assert seen == [(r.run_id, n) for r in runs for n in range(5) if (r, n) != (runs[0], 3)]
    assert [line.step_no for line in mine] == [0, 1, 2, 3, 4]
    assert [(line.run_id, line.step_no) for line in said] == [(runs[0].run_id, 3)]
    assert none == []


async def test_runs_that_wait_for_people_are_counted(database: Database) -> None:
    """F41: by their open questions; a run whose question was answered does not wait."""
    async with await database.connect() as conn:
        waiting, answered = await asked(conn), await asked(conn)
        await answered.answer("ask")
        assert await count_waiting(conn, RunFilter()) == 1
        only = RunFilter(statuses=("running",), waiting=True)
        assert await list_live_run_ids(conn, only, 10) == [waiting.run_id]
        lines = await list_runs(conn, [waiting.run_id, answered.run_id])

    assert {line.id: line.questions for line in lines} == {waiting.run_id: 1, answered.run_id: 0}


async def test_the_inbox_is_read_by_its_own_index(database: Database) -> None:
    """C5: among many answered questions, open ones are found without reading the others."""
    async with await database.connect() as conn:
        await asked(conn)
        await database.sql(
            "INSERT INTO flow_approvals (run_id, step_no, attempt, status, request_ref, digest,"
            " decided_at) SELECT a.run_id, 1, 1 + n, 'withdrawn', a.request_ref, '', now()"
            " FROM flow_approvals a, generate_series(1, 20000) AS n"
        )
        await database.sql("ANALYZE flow_approvals")
        args = {"at": "0001-01-01 00:00:00+00", "run": str(UUID(int=0)), "step": -1, "limit": 5}
        args |= {"only_run": None, "flow": None}
        cur = await conn.execute(("EXPLAIN " + LIST_OPEN_APPROVALS).encode(), args)
        plan = "\n".join(row[0] for row in await cur.fetchall())
        assert len(await list_approvals(conn, ApprovalFilter(), 5)) == 1

    assert "flow_approvals_inbox_idx" in plan
