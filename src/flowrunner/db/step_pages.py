"""Read-only statements for pages of steps: keyset paging by number, children after the graph's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row

from flowrunner.core.model import RunId
from flowrunner.db.pool import Conn


@dataclass(frozen=True, slots=True)
class StepFilter:
    """Which steps: those after number *after*; no statuses means all of them.

    *parent*: only the children of the step of that key. *replaced*: also children that were left
    behind when their parent began anew.
    """

    statuses: tuple[str, ...] = ()
    parent: str | None = None
    key: str | None = None
    replaced: bool = False
    after: int = -1


@dataclass(frozen=True, slots=True)
class StepLine:
    """One step as it stands; *worker* is who holds its task, None while it is only offered.

    *due_at* is when it is tried again or goes on. A child has a *parent*, by key, and one of a list
    or loop an *item_no*. The last four count its own children, and are None when there are none.
    """

    step_no: int
    key: str
    kind: str
    persona: str | None
    status: str
    attempt: int
    failures: int
    crashes: int
    delayed: bool
    reason: str | None
    error: dict[str, Any] | None
    input_tokens: int
    output_tokens: int
    cost_microusd: int
    dispatched_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    worker: str | None
    output: bytes | None
    truncated_bytes: int
    replaced_count: int
    parent: str | None
    item_no: int | None
    replaced: bool
    redos: int
    due_at: datetime | None
    total: int | None
    live: int | None
    completed: int | None
    failed: int | None


# The run's children are counted once for all parents on the page, not once for each.
LIST_STEPS = """
WITH families AS (
    SELECT c.parent_no, count(*) AS total,
           count(*) FILTER (WHERE c.finished_at IS NULL) AS live,
           count(*) FILTER (WHERE c.status = 'completed') AS completed,
           count(*) FILTER (WHERE c.status = 'failed') AS failed
      FROM flow_steps c
     WHERE c.run_id = %(run_id)s AND c.parent_no IS NOT NULL AND NOT c.left_behind
     GROUP BY c.parent_no)
SELECT s.step_no, s.key, s.kind, s.persona, s.status, s.attempt, s.failures, s.crashes,
       s.delayed, s.reason, s.error, s.input_tokens, s.output_tokens, s.cost_microusd,
       s.dispatched_at, coalesce(s.started_at, q.claimed_at) AS started_at, s.finished_at,
       w.name AS worker, s.output_ref AS output,
       coalesce(s.truncated_bytes, 0) AS truncated_bytes,
       coalesce(s.replaced_count, 0) AS replaced_count,
       p.key AS parent, s.item_no,
       s.left_behind OR coalesce(p.left_behind, false) AS replaced, s.redos,
       (SELECT min(t.due_at) FROM flow_timers t
         WHERE t.run_id = s.run_id AND t.step_no = s.step_no
           AND t.kind IN ('retry', 'wake')) AS due_at,
       f.total, f.live, f.completed, f.failed
  FROM flow_steps s
  LEFT JOIN task_queue q ON q.run_id = s.run_id AND q.step_no = s.step_no AND q.attempt = s.attempt
  LEFT JOIN workers w ON w.id = q.worker_id
  LEFT JOIN flow_steps p ON p.run_id = s.run_id AND p.step_no = s.parent_no
  LEFT JOIN families f ON f.parent_no = s.step_no
 WHERE s.run_id = %(run_id)s AND s.step_no > %(after)s
   AND (%(statuses)s::text[] IS NULL OR s.status = ANY (%(statuses)s))
   AND (%(parent)s::text IS NULL OR p.key = %(parent)s)
   AND (%(key)s::text IS NULL OR s.key = %(key)s)
   AND (%(replaced)s::boolean OR NOT (s.left_behind OR coalesce(p.left_behind, false)))
 ORDER BY s.step_no
 LIMIT %(limit)s
"""


async def list_step_lines(
    conn: Conn, run_id: RunId, only: StepFilter, limit: int
) -> list[StepLine]:
    """The run's steps in flow order, then children in the order in which they came."""
    args = {
        "run_id": run_id,
        "after": only.after,
        "statuses": list(only.statuses) or None,
        "parent": only.parent,
        "key": only.key,
        "replaced": only.replaced,
        "limit": limit,
    }
    async with conn.cursor(row_factory=class_row(StepLine)) as cur:
        await cur.execute(LIST_STEPS, args)
        return await cur.fetchall()


LIST_STATUSES = """
SELECT step_no, status FROM flow_steps WHERE run_id = %(run_id)s AND step_no < %(size)s
"""


async def list_statuses(conn: Conn, run_id: RunId, size: int) -> dict[int, str]:
    """How the *size* steps of the graph stand: what a step of any page waits for."""
    args = {"run_id": run_id, "size": size}
    return dict(await (await conn.execute(LIST_STATUSES, args)).fetchall())


LIST_CHILD_KEYS = """
SELECT step_no, key FROM flow_steps WHERE run_id = %(run_id)s AND step_no >= %(size)s
"""


async def list_child_keys(conn: Conn, run_id: RunId, size: int) -> list[tuple[int, str]]:
    """What those steps are called that a graph of *size* steps does not know, by number."""
    args = {"run_id": run_id, "size": size}
    return await (await conn.execute(LIST_CHILD_KEYS, args)).fetchall()
