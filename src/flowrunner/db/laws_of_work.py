"""Breaches of what must be true of steps and of what moves them: (run id, message) each."""

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

# Steps that are ready, reports that are due and children to be gathered are being seen to: somebody
# is at it, or the detector will be. A paused run waits for a person. Everything else has to have
# something in the tables that moves it.
NO_CAUSE = """
SELECT r.id, format('%%s steps remain and nothing will move them', r.remaining)
  FROM flow_runs r
 WHERE r.status = 'running' AND r.ready = 0 AND r.remaining > 0
   AND NOT EXISTS (SELECT FROM task_queue q WHERE q.run_id = r.id)
   AND NOT EXISTS (SELECT FROM flow_timers t WHERE t.run_id = r.id AND t.kind <> 'run_deadline')
   AND NOT EXISTS (SELECT FROM flow_approvals a WHERE a.run_id = r.id AND a.status = 'open')
   AND NOT EXISTS (SELECT FROM flow_steps s
                    WHERE s.run_id = r.id AND s.status = 'blocked' AND s.kind IN ('agent', 'code')
                      AND NOT EXISTS (SELECT FROM flow_steps c
                                       WHERE c.run_id = s.run_id AND c.parent_no = s.step_no
                                         AND NOT c.left_behind AND c.finished_at IS NULL))
"""

NOT_LIVE = """
SELECT r.id, 'the run is live but not in live_runs: the detector cannot see it'
  FROM flow_runs r LEFT JOIN live_runs l ON l.run_id = r.id
 WHERE r.finished_at IS NULL AND l.run_id IS NULL
"""

STEP_WITHOUT_CAUSE = """
SELECT s.run_id, format('step %%s %%s', s.step_no,
                        CASE WHEN s.delayed THEN 'is delayed without a timer'
                             WHEN s.kind = 'wait' THEN 'waits without a timer'
                             ELSE 'runs without a task in the queue' END)
  FROM flow_steps s
 WHERE (s.status = 'running'
        AND NOT EXISTS (SELECT FROM task_queue q
                         WHERE q.run_id = s.run_id AND q.step_no = s.step_no))
    OR (s.delayed
        AND NOT EXISTS (SELECT FROM flow_timers t
                         WHERE t.run_id = s.run_id AND t.step_no = s.step_no AND t.kind = 'retry'
                           AND t.token = s.attempt))
    OR (s.status = 'blocked' AND s.kind = 'wait'
        AND NOT EXISTS (SELECT FROM flow_timers t
                         WHERE t.run_id = s.run_id AND t.step_no = s.step_no AND t.kind = 'wake'))
"""

# A step that is over takes its timers with it (P6).
TIMER_WITHOUT_STEP = """
SELECT t.run_id, format('a %%s timer of step %%s, which is %%s at attempt %%s', t.kind, t.step_no,
                        coalesce(s.status, 'unknown'), s.attempt)
  FROM flow_timers t LEFT JOIN flow_steps s USING (run_id, step_no)
 WHERE CASE t.kind
           WHEN 'run_deadline' THEN t.step_no <> -1
           WHEN 'retry' THEN (s.delayed AND s.attempt = t.token) IS NOT TRUE
           WHEN 'queue' THEN (s.status = 'running' AND s.attempt = t.token) IS NOT TRUE
           WHEN 'wake' THEN (s.status = 'blocked' AND s.kind = 'wait') IS NOT TRUE
           ELSE (s.status = 'blocked' AND s.kind = 'approval') IS NOT TRUE
       END
"""

# Whoever waits for an answer has asked, and whoever asks is waiting.
APPROVAL_AMISS = """
SELECT x.run_id, format('approval step %%s is %%s at attempt %%s, open is %%s', x.step_no,
                        coalesce(x.status, 'unknown'), x.attempt, coalesce(x.open::text, 'none'))
  FROM (SELECT run_id, step_no, s.status, s.attempt, a.attempt AS open, s.kind
          FROM (SELECT * FROM flow_approvals WHERE status = 'open') AS a
          FULL JOIN (SELECT * FROM flow_steps WHERE kind = 'approval' AND status = 'blocked') AS s
          USING (run_id, step_no)) AS x
 WHERE x.attempt IS DISTINCT FROM x.open
"""

# Children are numbered on from the graph's steps, and do not wait when their parent has ended.
CHILD_AMISS = """
SELECT s.run_id, format('step %%s is %%s and a child of step %%s, which is %%s', s.step_no,
                        s.status, s.parent_no, coalesce(p.status, 'unknown'))
  FROM flow_steps s
  LEFT JOIN flow_steps p ON p.run_id = s.run_id AND p.step_no = s.parent_no
 WHERE s.parent_no IS NOT NULL
   AND (p.step_no IS NULL
        OR (s.left_behind AND s.finished_at IS NULL)
        OR (s.status = 'blocked' AND p.finished_at IS NOT NULL)
        OR (s.status = 'pending' AND NOT s.delayed AND p.finished_at IS NOT NULL))
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
 WHERE s.kind IN ('agent', 'code')
 GROUP BY s.run_id, s.step_no, s.attempt HAVING count(t.attempt) <> s.attempt
"""
