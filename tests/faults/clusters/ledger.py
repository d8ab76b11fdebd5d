"""What clients were told, held against the rows of whichever server is the primary now."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

from psycopg import AsyncConnection

from faults.clusters.diary import Diary
from faults.clusters.nodes import DATABASE, Node
from flowrunner.core.model import RunId
from flowrunner.db.invariants import INVARIANTS, find_broken
from flowrunner.service.checking import Violation, check_run

_LAUNCHES = """
SELECT m.idempotency_key, m.run_id::text, r.status
  FROM flow_run_meta m JOIN flow_runs r ON r.id = m.run_id
 WHERE m.idempotency_key IS NOT NULL
"""
_RESULTS = """
SELECT s.run_id::text || '.' || s.step_no || '.' || s.attempt, s.epoch, convert_from(p.body, 'UTF8')
  FROM flow_steps s JOIN payloads p ON p.ref = s.output_ref
 WHERE s.status = 'completed' AND s.kind = 'agent'
"""
_DECISIONS = """
SELECT run_id::text || '.' || step_no || '.' || attempt FROM flow_approvals
 WHERE status = 'approved' AND actor IS NOT NULL
"""
_TWICE = """
SELECT run_id::text, step_no, count(*) FROM flow_step_events
 WHERE type IN ('step.completed', 'step.failed') GROUP BY 1, 2 HAVING count(*) > 1
"""
_SAME_EPOCH = """
SELECT body->>'epoch', count(*) FROM flow_step_events
 WHERE (body->>'epoch')::bigint > 0 AND type <> 'task.rejected'
 GROUP BY 1 HAVING count(DISTINCT (run_id, step_no)) > 1
"""
_LIVE = "SELECT count(*) FROM flow_runs WHERE finished_at IS NULL"


@dataclass(slots=True)
class Ledger:
    """*node* is asked over its own socket, by a superuser. A run is looked at once it has ended."""

    node: Node
    read: set[str] = field(default_factory=set[str])
    """Runs whose logs were folded before, and compared with their rows."""

    def live(self) -> int:
        ((count,),) = self.node.sql(_LIVE, database=DATABASE)
        return count

    def losses(self, diary: Diary) -> list[str]:
        """Everything that is not as somebody was told; nothing, that is."""
        found = [*diary.complaints, *self._lost(diary), *self._doubled(diary)]
        runs = [run for run in diary.launches.values() if run not in self.read]
        found += [str(each) for each in asyncio.run(_broken(self.node.address(), runs))]
        self.read.update(runs)
        return found

    def _lost(self, diary: Diary) -> Iterator[str]:
        rows = self.node.sql(_LAUNCHES, database=DATABASE)
        runs = {key: (run, status) for key, run, status in rows}
        for key, run in diary.launches.items():
            if runs.get(key, ("", ""))[0] != run:
                yield f"lost: {key} is run {run}, the rows say {runs.get(key)}"
        for key, status in diary.ended.items():
            if (diary.launches[key], status) != runs.get(key) or status != "completed":
                yield f"{key} ended {status}, the rows say {runs.get(key)}"
        results = {
            (task, epoch): said for task, epoch, said in self.node.sql(_RESULTS, database=DATABASE)
        }
        for known, said in diary.results.items():
            if results.get(known) != said:
                yield f"lost: result of {known}: {results.get(known)!r}"
        decided = {approval for (approval,) in self.node.sql(_DECISIONS, database=DATABASE)}
        for approval in diary.decisions:
            if approval not in decided:
                yield f"lost: decision {approval}"

    def _doubled(self, diary: Diary) -> Iterator[str]:
        if len(set(diary.epochs)) != len(diary.epochs):
            yield "an epoch was claimed twice"
        if len(set(diary.launches.values())) != len(diary.launches):
            yield "one run for two keys"
        for row in self.node.sql(_TWICE, database=DATABASE):
            yield f"ended more than once: {row}"
        for row in self.node.sql(_SAME_EPOCH, database=DATABASE):
            yield f"two steps under one epoch: {row}"


async def _broken(address: str, runs: list[str]) -> list[Violation]:
    """What `flowrunner check` would find, in these runs and in all tables."""
    async with await AsyncConnection.connect(address, autocommit=True) as conn:
        found = [each for invariant in INVARIANTS for each in await find_broken(conn, invariant)]
        for run in runs:
            found += await check_run(conn, RunId(UUID(run)))
        return found
