"""Statements on task_queue through the dispatcher's functions: claim, hand back, who is dead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg.rows import kwargs_row

from flowrunner.core.graph import Limits
from flowrunner.core.model import RunId
from flowrunner.db.pool import Conn


@dataclass(frozen=True, slots=True)
class ClaimedTask:
    """One task under one lease; *input* is the prompt, None for code steps."""

    task_id: str
    run_id: RunId
    step_no: int
    attempt: int
    epoch: int
    queue: str
    step_key: str
    kind: str
    project_root: str
    agent: str
    model: str | None
    persona: str | None
    mode_id: str
    limits: Limits
    input: bytes | None


def _to_claimed(
    *,
    total_seconds: float,
    idle_seconds: float | None,
    input: bytes | None,  # noqa: A002  # the column's name
    **row: Any,
) -> ClaimedTask:
    body = None if input is None else bytes(input)
    return ClaimedTask(**row, limits=Limits(total_seconds, idle_seconds), input=body)


CLAIM = """
SELECT task_id, run_id, step_no, attempt, epoch, queue, step_key, kind, project_root, agent, model,
       persona, mode_id, total_seconds, idle_seconds, input
  FROM claim_v1(%(worker)s, %(queues)s, %(count)s)
"""


async def claim(
    conn: Conn, worker_id: UUID, queues: Sequence[str], count: int
) -> list[ClaimedTask]:
    """Take at most *count* tasks, oldest first, each under a fresh epoch.

    A worker whose lease has ended gets none.
    """
    async with conn.cursor(row_factory=kwargs_row(_to_claimed)) as cur:
        await cur.execute(CLAIM, {"worker": worker_id, "queues": list(queues), "count": count})
        return await cur.fetchall()


RELEASE = "SELECT release_v1(%(worker)s, %(epochs)s::bigint[])"


async def release(conn: Conn, worker_id: UUID, epochs: Sequence[int]) -> int:
    """Hand leases back unfinished: offered again at once, and not counted as a crash."""
    cur = await conn.execute(RELEASE, {"worker": worker_id, "epochs": list(epochs)})
    return await _count(cur)


RELEASE_UNKNOWN = "SELECT release_unknown_v1(%(worker)s, %(held)s::bigint[])"


async def release_unknown(conn: Conn, worker_id: UUID, held: Sequence[int]) -> int:
    """After a claim whose answer was lost: give back what the worker holds without knowing it."""
    cur = await conn.execute(RELEASE_UNKNOWN, {"worker": worker_id, "held": list(held)})
    return await _count(cur)


async def _count(cur: Any) -> int:
    row = await cur.fetchone()
    return int(row[0])


@dataclass(frozen=True, slots=True)
class Dead:
    """What is dead by the database's clock, and what that clock says: it may have jumped."""

    at: float
    leases: tuple[DeadLease, ...]


@dataclass(frozen=True, slots=True)
class DeadLease:
    """A held task whose worker's lease has ended, or whose worker is gone."""

    run_id: RunId
    step_no: int
    attempt: int
    epoch: int
    worker_id: UUID


# The brake: when the database itself was away, or when most of several workers seem to have died
# in the same moment, their leases get one more lease time before anyone is declared dead.
# Rows of workers that died earlier stay for a day, and are no sign of anything.
LIST_DEAD = """
WITH seen AS (
    SELECT count(*) AS workers,
           count(*) FILTER (WHERE expires_at < clock_timestamp()) AS expired
      FROM workers WHERE expires_at > clock_timestamp() - make_interval(secs => %(lease)s)),
dead AS (
SELECT q.run_id, q.step_no, q.attempt, q.epoch, q.worker_id
  FROM task_queue q
 CROSS JOIN seen
  LEFT JOIN workers w ON w.id = q.worker_id
 WHERE q.epoch IS NOT NULL
   -- What was reported is not lost with its worker: the inbox is read first (P3).
   AND NOT EXISTS (SELECT FROM task_results r
                    WHERE r.verdict IS NULL AND r.run_id = q.run_id AND r.step_no = q.step_no
                      AND r.epoch = q.epoch)
   AND (w.id IS NULL
        OR w.expires_at < clock_timestamp() - CASE
               WHEN seen.workers >= 3 AND seen.expired * 2 > seen.workers
               THEN make_interval(secs => %(lease)s) ELSE interval '0' END)
   AND clock_timestamp() > pg_postmaster_start_time() + make_interval(secs => %(grace)s)
 ORDER BY q.run_id, q.step_no
 LIMIT %(limit)s)
SELECT extract(epoch FROM clock_timestamp())::float8, d.*
  FROM (SELECT) AS once LEFT JOIN dead d ON true
 ORDER BY d.run_id, d.step_no
"""


async def list_dead(
    conn: Conn, *, lease_seconds: float, grace_seconds: float, limit: int = 500
) -> Dead:
    """Held tasks that nobody works on any more. Reads only: the engine decides what it means."""
    args = {"lease": lease_seconds, "grace": grace_seconds, "limit": limit}
    rows = await (await conn.execute(LIST_DEAD, args)).fetchall()
    found = (row[1:] for row in rows if row[1] is not None)
    return Dead(rows[0][0], tuple(DeadLease(RunId(run_id), *rest) for run_id, *rest in found))
