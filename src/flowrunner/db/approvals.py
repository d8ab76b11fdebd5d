"""Read-only statements on flow_approvals: the inbox of open questions, and who answered what.

Decisions are written by `apply_v1` only, from the run's events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from psycopg.rows import class_row

from flowrunner.core.model import RunId
from flowrunner.db.pool import Conn

START = (datetime(1, 1, 1, tzinfo=UTC), UUID(int=0), -1)
Place = tuple[datetime, UUID, int]


@dataclass(frozen=True, slots=True)
class ApprovalFilter:
    """Which questions; *after* is the place of the last one of the page before.

    No statuses means open ones. Approvers are named in the graph, not here.
    """

    statuses: tuple[str, ...] = ()
    run_id: UUID | None = None
    flow: str | None = None
    after: Place = START


@dataclass(frozen=True, slots=True)
class ApprovalLine:
    """One question as lists show it; *request* is its stored body.

    *actor* and *decided_at* are set once it is closed; a withdrawn one has no actor.
    """

    run_id: UUID
    step_no: int
    attempt: int
    step_key: str
    flow: str
    title: str
    project: str
    status: str
    digest: str
    request: bytes
    requested_at: datetime
    expires_at: datetime | None
    actor: str | None
    comment: str | None
    answer: bytes | None
    decided_at: datetime | None

    @property
    def place(self) -> Place:
        return (self.requested_at, self.run_id, self.step_no)


# Oldest first: who has waited longest is answered first. The inbox's index is partial, so that
# open questions are found without reading answered ones.
LIST_OPEN_APPROVALS = """
SELECT a.run_id, a.step_no, a.attempt, s.key AS step_key, m.flow, m.title, p.name AS project,
       a.status, a.digest, q.body AS request, a.requested_at, a.expires_at, a.actor, a.comment,
       NULL::bytea AS answer, a.decided_at
  FROM flow_approvals a
  JOIN flow_steps s ON s.run_id = a.run_id AND s.step_no = a.step_no
  JOIN flow_run_meta m ON m.run_id = a.run_id
  JOIN projects p ON p.id = m.project_id
  JOIN payloads q ON q.ref = a.request_ref
 WHERE a.status = 'open'
   AND (a.requested_at, a.run_id, a.step_no) > (%(at)s, %(run)s, %(step)s)
   AND (%(only_run)s::uuid IS NULL OR a.run_id = %(only_run)s)
   AND (%(flow)s::text IS NULL OR m.flow = %(flow)s)
 ORDER BY a.requested_at, a.run_id, a.step_no
 LIMIT %(limit)s
"""

LIST_APPROVALS = """
SELECT a.run_id, a.step_no, a.attempt, s.key AS step_key, m.flow, m.title, p.name AS project,
       a.status, a.digest, q.body AS request, a.requested_at, a.expires_at, a.actor, a.comment,
       w.body AS answer, a.decided_at
  FROM flow_approvals a
  JOIN flow_steps s ON s.run_id = a.run_id AND s.step_no = a.step_no
  JOIN flow_run_meta m ON m.run_id = a.run_id
  JOIN projects p ON p.id = m.project_id
  JOIN payloads q ON q.ref = a.request_ref
  LEFT JOIN payloads w ON w.ref = a.answer_ref
 WHERE a.status = ANY (%(statuses)s)
   AND (a.requested_at, a.run_id, a.step_no) > (%(at)s, %(run)s, %(step)s)
   AND (%(only_run)s::uuid IS NULL OR a.run_id = %(only_run)s)
   AND (%(flow)s::text IS NULL OR m.flow = %(flow)s)
 ORDER BY a.requested_at, a.run_id, a.step_no
 LIMIT %(limit)s
"""


async def list_approvals(conn: Conn, only: ApprovalFilter, limit: int) -> list[ApprovalLine]:
    """Questions in the order in which they were asked; go on from the last one's `place`."""
    at, run, step = only.after
    args: dict[str, Any] = {"at": at, "run": run, "step": step, "limit": limit}
    args |= {"only_run": only.run_id, "flow": only.flow, "statuses": list(only.statuses)}
    is_inbox = set(only.statuses) <= {"open"}
    async with conn.cursor(row_factory=class_row(ApprovalLine)) as cur:
        await cur.execute(LIST_OPEN_APPROVALS if is_inbox else LIST_APPROVALS, args)
        return await cur.fetchall()


FIND_APPROVALS = """
SELECT a.run_id, a.step_no, a.attempt, s.key AS step_key, m.flow, m.title, p.name AS project,
       a.status, a.digest, q.body AS request, a.requested_at, a.expires_at, a.actor, a.comment,
       w.body AS answer, a.decided_at
  FROM flow_approvals a
  JOIN flow_steps s ON s.run_id = a.run_id AND s.step_no = a.step_no
  JOIN flow_run_meta m ON m.run_id = a.run_id
  JOIN projects p ON p.id = m.project_id
  JOIN payloads q ON q.ref = a.request_ref
  LEFT JOIN payloads w ON w.ref = a.answer_ref
 WHERE a.run_id = %(run_id)s AND a.step_no = %(step_no)s
 ORDER BY a.attempt DESC
"""


async def find_approvals(conn: Conn, run_id: RunId, step_no: int) -> Sequence[ApprovalLine]:
    """Everything that one step asked, the newest first, with who answered and when."""
    async with conn.cursor(row_factory=class_row(ApprovalLine)) as cur:
        await cur.execute(FIND_APPROVALS, {"run_id": run_id, "step_no": step_no})
        return await cur.fetchall()


COUNT_OPEN = """
SELECT count(*) FROM flow_approvals a
  JOIN flow_run_meta m ON m.run_id = a.run_id
 WHERE a.status = 'open'
   AND (%(only_run)s::uuid IS NULL OR a.run_id = %(only_run)s)
   AND (%(flow)s::text IS NULL OR m.flow = %(flow)s)
"""


async def count_open(conn: Conn, only: ApprovalFilter) -> int:
    """How many questions are open."""
    args = {"only_run": only.run_id, "flow": only.flow}
    row = await (await conn.execute(COUNT_OPEN, args)).fetchone()
    return int(row[0]) if row else 0
