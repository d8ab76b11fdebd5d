"""Statements that find runs which wait for nothing: something that should move them was lost."""

from __future__ import annotations

from dataclasses import dataclass

from flowrunner.core.model import RunId
from flowrunner.db.pool import Conn


@dataclass(frozen=True, slots=True)
class Stalled:
    """A live run with no cause to move; *missing*: steps that lack what should move them.

    That is a task for a running step, and a timer for a delayed one, for a wait, and for a question
    that expires. A lost reminder is not missed.
    """

    run_id: RunId
    missing: tuple[int, ...]


# A run's causes: a task offered or held, a timer, an open question. Steps that are ready (or a
# report, or a list of results that is due) are being prepared by some replica for a moment; after
# *patience* nobody is (P4). While any task is in the queue its end will come, and the run is looked
# at again after it: the steps of a busy run are not read. A paused run waits for a person.
LIST_STALLED = """
WITH idle AS MATERIALIZED (
    SELECT r.id, r.ready > 0 OR r.remaining = 0 AS is_left,
           EXISTS (SELECT FROM flow_timers t
                    WHERE t.run_id = r.id AND t.kind <> 'run_deadline')
           OR EXISTS (SELECT FROM flow_approvals a
                       WHERE a.run_id = r.id AND a.status = 'open') AS is_waiting
      FROM live_runs l
      JOIN flow_runs r ON r.id = l.run_id
     WHERE r.status = 'running'
       AND r.updated_at < clock_timestamp() - make_interval(secs => %(patience)s)
       AND r.id > %(after)s
       AND (r.ready > 0 OR r.remaining = 0
            OR NOT EXISTS (SELECT FROM task_queue q WHERE q.run_id = r.id)))
SELECT i.id, coalesce(x.missing, '{}') AS missing
  FROM idle i
 CROSS JOIN LATERAL (
       SELECT array_agg(s.step_no ORDER BY s.step_no) FILTER (WHERE
                  CASE
                  WHEN s.status = 'running' THEN NOT EXISTS (
                      SELECT FROM task_queue q
                       WHERE q.run_id = s.run_id AND q.step_no = s.step_no)
                  WHEN s.delayed OR (s.status = 'blocked' AND s.kind = 'wait')
                       OR EXISTS (SELECT FROM flow_approvals a
                                   WHERE a.run_id = s.run_id AND a.step_no = s.step_no
                                     AND a.status = 'open' AND a.expires_at IS NOT NULL)
                  THEN NOT EXISTS (
                      SELECT FROM flow_timers t
                       WHERE t.run_id = s.run_id AND t.step_no = s.step_no
                         AND t.kind IN ('retry', 'wake', 'expiry'))
                  END) AS missing,
              -- A parent whose children have all ended: somebody must gather what they said.
              count(*) FILTER (WHERE
                  s.status = 'blocked' AND s.kind IN ('agent', 'code')
                  AND NOT EXISTS (SELECT FROM flow_steps c
                                   WHERE c.run_id = s.run_id AND c.parent_no = s.step_no
                                     AND NOT c.left_behind AND c.finished_at IS NULL)) AS due
         FROM flow_steps s WHERE s.run_id = i.id AND s.finished_at IS NULL) AS x
 WHERE i.is_left OR NOT i.is_waiting OR x.missing IS NOT NULL OR x.due > 0
 ORDER BY i.id
 LIMIT %(limit)s
"""


async def list_stalled(
    conn: Conn, *, patience_seconds: float, after: RunId, limit: int = 500
) -> list[Stalled]:
    """Runs that nothing will move any more. Reads only the live ones, a page at a time."""
    args = {"patience": patience_seconds, "after": after, "limit": limit}
    cur = await conn.execute(LIST_STALLED, args)
    return [Stalled(RunId(run_id), tuple(missing)) for run_id, missing in await cur.fetchall()]
