"""What must be true of every database at every instant, as statements that find what is not.

Each is one statement, and so sees one snapshot: a service may go on working meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

from flowrunner.core.model import RunId
from flowrunner.db.pool import Conn


@dataclass(frozen=True, slots=True)
class Broken:
    """An invariant that does not hold; *run_id* is None when it is no single run's."""

    code: str
    run_id: RunId | None
    message: str


@dataclass(frozen=True, slots=True)
class Invariant:
    """A law by its code and the statement that finds breaches of it: (run id, message)."""

    code: str
    find: LiteralString


MOST = 1000
"""Breaches listed per invariant; how many there are beyond it is said, not shown."""


async def find_broken(conn: Conn, invariant: Invariant, most: int = MOST) -> list[Broken]:
    """Every breach of *invariant*, at most *most* of them and then one line that says so."""
    cur = await conn.execute(invariant.find + " LIMIT %(limit)s", {"limit": most + 1})
    rows = await cur.fetchall()
    broken = [
        Broken(invariant.code, None if row[0] is None else RunId(row[0]), row[1]) for row in rows
    ]
    if len(broken) > most:
        broken[most:] = [Broken(invariant.code, None, f"more than {most}: the rest is not listed")]
    return broken


LIST_RUN_IDS = "SELECT id FROM flow_runs WHERE id > %(after)s ORDER BY id LIMIT %(limit)s"


async def list_run_ids(conn: Conn, after: RunId, limit: int) -> list[RunId]:
    """A page of all runs, by id."""
    cur = await conn.execute(LIST_RUN_IDS, {"after": after, "limit": limit})
    return [RunId(row[0]) for row in await cur.fetchall()]


ENDED_TWICE = """
SELECT run_id, format('step %%s ended %%s times', step_no, count(*))
  FROM flow_step_events
 WHERE type IN ('step.completed', 'step.failed', 'step.skipped', 'step.cancelled')
 GROUP BY run_id, step_no HAVING count(*) > 1
"""

QUEUED_AMISS = """
SELECT q.run_id, format('step %%s is queued for attempt %%s but %%s at attempt %%s',
                        q.step_no, q.attempt, coalesce(s.status, 'unknown'), s.attempt)
  FROM task_queue q LEFT JOIN flow_steps s USING (run_id, step_no)
 WHERE (s.status, s.attempt) IS DISTINCT FROM ('running', q.attempt)
"""

SHARED_EPOCH = """
SELECT NULL::uuid, format('epoch %%s is held %%s times', epoch, count(*))
  FROM task_queue WHERE epoch IS NOT NULL GROUP BY epoch HAVING count(*) > 1
"""

EPOCH_WENT_BACK = """
SELECT x.run_id, format('step %%s: epoch %%s came after %%s (event %%s)', x.step_no, x.epoch,
                        x.before, x.seq)
  FROM (SELECT e.run_id, e.step_no, e.seq, (e.body->>'epoch')::bigint AS epoch,
               lag((e.body->>'epoch')::bigint) OVER (PARTITION BY e.run_id, e.step_no
                                                     ORDER BY e.seq) AS before
          FROM flow_step_events e
         WHERE e.type LIKE 'step.%%' AND e.body ? 'epoch') AS x
 WHERE x.epoch <= x.before
"""

OLD_LEASE = """
SELECT q.run_id, format('step %%s is held under epoch %%s, %%s was settled before', q.step_no,
                        q.epoch, s.epoch)
  FROM task_queue q JOIN flow_steps s USING (run_id, step_no)
 WHERE q.epoch <= s.epoch
"""

FENCE_BEHIND = """
SELECT NULL::uuid, format('epoch %%s was given out, the fence stands at %%s', x.epoch,
                          c.last_value)
  FROM (SELECT coalesce(pg_sequence_last_value('claim_epoch_seq'), 0) AS last_value) AS c
 CROSS JOIN (SELECT greatest((SELECT max(epoch) FROM task_queue),
                             (SELECT max(epoch) FROM flow_steps)) AS epoch) AS x
 WHERE x.epoch > c.last_value
"""

# Steps that are ready and reports that are due are being prepared: somebody is at it, or the
# detector will be. Everything else has to have something in the tables that moves it.
NO_CAUSE = """
SELECT r.id, format('%%s steps remain and nothing will move them', r.remaining)
  FROM flow_runs r
 WHERE r.finished_at IS NULL AND r.ready = 0 AND r.remaining > 0
   AND NOT EXISTS (SELECT FROM task_queue q WHERE q.run_id = r.id)
   AND NOT EXISTS (SELECT FROM flow_timers t WHERE t.run_id = r.id AND t.kind <> 'run_deadline')
"""

NOT_LIVE = """
SELECT r.id, 'the run is live but not in live_runs: the detector cannot see it'
  FROM flow_runs r LEFT JOIN live_runs l ON l.run_id = r.id
 WHERE r.finished_at IS NULL AND l.run_id IS NULL
"""

STEP_WITHOUT_CAUSE = """
SELECT s.run_id, format('step %%s %%s', s.step_no,
                        CASE WHEN s.delayed THEN 'is delayed without a timer'
                             ELSE 'runs without a task in the queue' END)
  FROM flow_steps s
 WHERE (s.status = 'running'
        AND NOT EXISTS (SELECT FROM task_queue q
                         WHERE q.run_id = s.run_id AND q.step_no = s.step_no))
    OR (s.delayed
        AND NOT EXISTS (SELECT FROM flow_timers t
                         WHERE t.run_id = s.run_id AND t.step_no = s.step_no AND t.kind = 'retry'
                           AND t.token = s.attempt))
"""

LOG_AMISS = """
SELECT r.id, format('%%s events numbered %%s to %%s, the run is at version %%s', count(e.seq),
                    min(e.seq), max(e.seq), r.version)
  FROM flow_runs r LEFT JOIN flow_step_events e ON e.run_id = r.id
 GROUP BY r.id
HAVING count(e.seq) <> r.version OR min(e.seq) <> 1 OR max(e.seq) <> r.version
"""

FIRST_AND_LAST = """
SELECT r.id, format('the log goes from %%s to %%s, the run is %%s', f.type, l.type, r.status)
  FROM flow_runs r
  LEFT JOIN flow_step_events f ON f.run_id = r.id AND f.seq = 1
  LEFT JOIN flow_step_events l ON l.run_id = r.id AND l.seq = r.version
 WHERE f.type IS DISTINCT FROM 'run.started'
    OR (r.finished_at IS NOT NULL AND l.type IS DISTINCT FROM 'run.' || r.status)
    OR (r.finished_at IS NULL AND l.type IN ('run.completed', 'run.failed', 'run.cancelled'))
"""

AFTER_THE_END = """
SELECT e.run_id, format('event %%s (%%s) follows %%s', e.seq, e.type, x.type)
  FROM flow_step_events x
  JOIN flow_step_events e ON e.run_id = x.run_id AND e.seq > x.seq
 WHERE x.type IN ('run.completed', 'run.failed', 'run.cancelled')
"""

LEFT_OVER = """
SELECT x.run_id, format('the run has ended, but there is %%s', x.what)
  FROM (SELECT run_id, 'a queued task of step ' || step_no AS what FROM task_queue
        UNION ALL SELECT run_id, 'a timer: ' || kind FROM flow_timers
        UNION ALL SELECT run_id, 'its row in live_runs' FROM live_runs
        UNION ALL SELECT run_id, 'step ' || step_no || ', which is ' || status FROM flow_steps
                   WHERE finished_at IS NULL) AS x
  JOIN flow_runs r ON r.id = x.run_id
 WHERE r.finished_at IS NOT NULL
"""

COUNTERS_AMISS = """
SELECT r.id, format('tokens and cost: the run says %%s, its steps %%s, its events %%s',
                    ROW (r.input_tokens, r.output_tokens, r.cost_microusd), s.spent, e.spent)
  FROM flow_runs r
  JOIN (SELECT run_id, ROW (sum(input_tokens)::bigint, sum(output_tokens)::bigint,
                            sum(cost_microusd)::bigint) AS spent
          FROM flow_steps GROUP BY run_id) AS s ON s.run_id = r.id
  JOIN (SELECT run_id, ROW (coalesce(sum((body#>>'{usage,input_tokens}')::bigint), 0)::bigint,
                            coalesce(sum((body#>>'{usage,output_tokens}')::bigint), 0)::bigint,
                            coalesce(sum((body#>>'{usage,cost_microusd}')::bigint), 0)::bigint)
               AS spent
          FROM flow_step_events GROUP BY run_id) AS e ON e.run_id = r.id
 WHERE ROW (r.input_tokens, r.output_tokens, r.cost_microusd) <> s.spent OR s.spent <> e.spent
"""

TASKS_AMISS = """
SELECT t.run_id, format('task %%s.%%s: mode %%s, its step is at attempt %%s', t.step_no, t.attempt,
                        t.mode_id, s.attempt)
  FROM tasks t LEFT JOIN flow_steps s USING (run_id, step_no)
 WHERE t.mode_id <> 'plan' OR s.attempt IS NULL OR t.attempt > s.attempt
"""

TASKS_MISSING = """
SELECT s.run_id, format('step %%s is at attempt %%s and has %%s tasks', s.step_no, s.attempt,
                        count(t.attempt))
  FROM flow_steps s LEFT JOIN tasks t USING (run_id, step_no)
 GROUP BY s.run_id, s.step_no, s.attempt HAVING count(t.attempt) <> s.attempt
"""

KEY_USED_TWICE = """
SELECT NULL::uuid, format('key %%L of project %%s started %%s runs', idempotency_key, project_id,
                          count(*))
  FROM flow_run_meta WHERE idempotency_key IS NOT NULL
 GROUP BY project_id, idempotency_key HAVING count(*) > 1
"""

NOT_WHOLE = """
SELECT r.id, format('%%s of %%s steps; project %%s, definition %%s', s.steps,
                    jsonb_array_length(d.graph->'steps'), m.project_id, r.definition_id)
  FROM flow_runs r
  LEFT JOIN flow_run_meta m ON m.run_id = r.id
  LEFT JOIN projects p ON p.id = m.project_id
  LEFT JOIN flow_definitions d ON d.id = r.definition_id
 CROSS JOIN LATERAL (SELECT count(*) AS steps FROM flow_steps t WHERE t.run_id = r.id) AS s
 WHERE p.id IS NULL OR jsonb_array_length(d.graph->'steps') IS DISTINCT FROM s.steps
"""

NO_RUN = """
SELECT x.run_id, format('rows in %%s, but no run', x.name)
  FROM (SELECT run_id, 'flow_run_meta' AS name FROM flow_run_meta
        UNION SELECT run_id, 'flow_steps' FROM flow_steps
        UNION SELECT run_id, 'flow_step_events' FROM flow_step_events
        UNION SELECT run_id, 'tasks' FROM tasks
        UNION SELECT run_id, 'task_queue' FROM task_queue
        UNION SELECT run_id, 'flow_timers' FROM flow_timers
        UNION SELECT run_id, 'live_runs' FROM live_runs
        UNION SELECT run_id, 'transcripts' FROM transcripts) AS x
  LEFT JOIN flow_runs r ON r.id = x.run_id
 WHERE r.id IS NULL
"""

DANGLING = """
SELECT x.run_id, format('%%s refers to a payload that is not there', x.what)
  FROM (SELECT run_id, 'the input' AS what, input_ref AS ref FROM flow_run_meta
        UNION ALL SELECT id, 'the report', report_ref FROM flow_runs
        UNION ALL SELECT run_id, 'the prompt of step ' || step_no, prompt_ref FROM flow_steps
        UNION ALL SELECT run_id, 'the output of step ' || step_no, output_ref FROM flow_steps
        UNION ALL SELECT run_id, 'task ' || step_no || '.' || attempt, input_ref FROM tasks
        UNION ALL SELECT run_id, 'event ' || seq,
                         decode(coalesce(body->>'output', body->>'prompt', body->>'report'), 'hex')
                    FROM flow_step_events) AS x
  LEFT JOIN payloads p ON p.ref = x.ref
 WHERE x.ref IS NOT NULL AND p.ref IS NULL
"""

INVARIANTS: tuple[Invariant, ...] = (
    Invariant("I1", ENDED_TWICE),
    Invariant("I2", QUEUED_AMISS),
    Invariant("I2", SHARED_EPOCH),
    Invariant("I3", EPOCH_WENT_BACK),
    Invariant("I3", OLD_LEASE),
    Invariant("I3", FENCE_BEHIND),
    Invariant("I4", NO_CAUSE),
    Invariant("I4", NOT_LIVE),
    Invariant("I4", STEP_WITHOUT_CAUSE),
    Invariant("I5", LOG_AMISS),
    Invariant("I5", FIRST_AND_LAST),
    Invariant("I6", AFTER_THE_END),
    Invariant("P6", LEFT_OVER),
    Invariant("I7", COUNTERS_AMISS),
    Invariant("I8", TASKS_AMISS),
    Invariant("I8", TASKS_MISSING),
    Invariant("I9", KEY_USED_TWICE),
    Invariant("I9", NOT_WHOLE),
    Invariant("I9", NO_RUN),
    Invariant("REF", DANGLING),
)
