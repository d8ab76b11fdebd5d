"""Attempts of steps in all generations: from the log, which is never changed, and the tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flowrunner.core.model import Ref, RunId
from flowrunner.db.pool import Conn


@dataclass(frozen=True, slots=True)
class AttemptLine:
    """One attempt; *generation* is the run's when it began.

    *status* is queued (nobody has it yet), running, retrying (another follows), completed, failed,
    cancelled, or abandoned: its task was lost. *worker* is known while it is held, *claimed_at* of
    a step's last attempt too: the queue forgets what has left it. One that is not *counted* is none
    of those that the step's policy allows. *record* and *partial* are kept with it.
    """

    step_no: int
    attempt: int
    generation: int
    status: str
    prompt: Ref | None
    output: Ref | None
    error: dict[str, Any] | None
    reason: str | None
    usage: dict[str, Any]
    epoch: int
    truncated_bytes: int
    replaced_count: int
    dispatched_at: datetime
    claimed_at: datetime | None
    ended_at: datetime | None
    worker: str | None
    counted: bool
    record: Ref | None
    partial: Ref | None


# An attempt begins with step.dispatched and ends with the next event of its step that ends one, if
# that is before the run begins anew. Reads the run's log once, whatever the number of steps.
LIST_ATTEMPTS = """
WITH log AS MATERIALIZED (
    SELECT e.seq, e.type, e.step_no, e.body, e.at,
           1 + count(*) FILTER (WHERE e.type = 'run.retried') OVER (ORDER BY e.seq) AS generation
      FROM flow_step_events e
     WHERE e.run_id = %(run_id)s
       AND (e.step_no = ANY (%(step_nos)s) OR e.type = 'run.retried')
       AND e.type IN ('step.dispatched', 'step.retrying', 'step.completed', 'step.failed',
                      'step.cancelled', 'run.retried')),
a AS (
    SELECT l.*, (l.body->>'attempt')::integer AS attempt,
           lead(l.type) OVER following AS end_type,
           lead(l.body) OVER following AS said,
           lead(l.at) OVER following AS end_at
      FROM log l WHERE l.type <> 'run.retried'
    WINDOW following AS (PARTITION BY l.step_no, l.generation ORDER BY l.seq))
SELECT a.step_no, a.attempt, a.generation,
       CASE WHEN a.end_type IS NOT NULL THEN substr(a.end_type, 6)
            WHEN q.attempt IS NULL THEN 'abandoned'
            WHEN q.epoch IS NULL THEN 'queued' ELSE 'running' END AS status,
       encode(t.input_ref, 'hex') AS prompt, a.said->>'output' AS output, a.said->'error' AS error,
       a.said->>'reason' AS reason, coalesce(a.said->'usage', '{}') AS usage,
       coalesce((a.said->>'epoch')::bigint, q.epoch, 0) AS epoch,
       coalesce((a.said #>> '{losses,truncated_bytes}')::bigint, 0) AS truncated_bytes,
       coalesce((a.said #>> '{losses,replaced_count}')::bigint, 0) AS replaced_count,
       a.at AS dispatched_at,
       coalesce(q.claimed_at, CASE WHEN s.attempt = a.attempt THEN s.started_at END) AS claimed_at,
       a.end_at AS ended_at, w.name AS worker,
       coalesce((a.said->>'counted')::boolean, true) AS counted,
       a.said->>'record' AS record, a.said->>'partial' AS partial
  FROM a
  JOIN flow_steps s ON s.run_id = %(run_id)s AND s.step_no = a.step_no
  LEFT JOIN tasks t ON t.run_id = s.run_id AND t.step_no = s.step_no AND t.attempt = a.attempt
  LEFT JOIN task_queue q ON a.end_type IS NULL AND q.run_id = s.run_id AND q.step_no = s.step_no
                        AND q.attempt = a.attempt
  LEFT JOIN workers w ON w.id = q.worker_id
 WHERE a.type = 'step.dispatched'
 ORDER BY a.step_no, a.seq
"""


async def list_attempts(conn: Conn, run_id: RunId, step_no: int) -> list[AttemptLine]:
    """Every attempt of the step, oldest first; none for a step that was never offered."""
    return (await list_attempts_of(conn, run_id, [step_no])).get(step_no, [])


async def list_attempts_of(
    conn: Conn, run_id: RunId, step_nos: Sequence[int]
) -> dict[int, list[AttemptLine]]:
    """The same for many steps at once; those that were never offered are missing."""
    cur = await conn.execute(LIST_ATTEMPTS, {"run_id": run_id, "step_nos": list(step_nos)})
    found: dict[int, list[AttemptLine]] = {}
    for row in await cur.fetchall():
        line = AttemptLine(*row)
        found.setdefault(line.step_no, []).append(line)
    return found
