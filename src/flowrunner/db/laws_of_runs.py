"""Breaches of what must be true of runs and their logs: (run id, message) each."""

# Within a generation: a retry lets steps end again.
ENDED_TWICE = """
SELECT e.run_id, format('step %%s ended %%s times', e.step_no, count(*))
  FROM (SELECT run_id, step_no, type,
               count(*) FILTER (WHERE type = 'run.retried')
                   OVER (PARTITION BY run_id ORDER BY seq) AS retries
          FROM flow_step_events) AS e
 WHERE e.type IN ('step.completed', 'step.failed', 'step.skipped', 'step.cancelled')
 GROUP BY e.run_id, e.step_no, e.retries HAVING count(*) > 1
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
  LEFT JOIN LATERAL (SELECT e.type FROM flow_step_events e
                      WHERE e.run_id = r.id AND e.type <> 'run.rendered'
                      ORDER BY e.seq DESC LIMIT 1) AS l ON true
 WHERE f.type IS DISTINCT FROM 'run.started'
    OR (r.finished_at IS NOT NULL AND l.type IS DISTINCT FROM 'run.' || r.status)
    OR (r.finished_at IS NULL AND l.type IN ('run.completed', 'run.failed', 'run.cancelled'))
"""

# An end is final but for a retry; its report may be rendered again.
AFTER_THE_END = """
SELECT e.run_id, format('event %%s (%%s) follows %%s', e.seq, e.type, e.before)
  FROM (SELECT run_id, seq, type, lag(type) OVER (PARTITION BY run_id ORDER BY seq) AS before
          FROM flow_step_events WHERE type <> 'run.rendered') AS e
 WHERE e.before IN ('run.completed', 'run.failed', 'run.cancelled') AND e.type <> 'run.retried'
"""

LEFT_OVER = """
SELECT x.run_id, format('the run has ended, but there is %%s', x.what)
  FROM (SELECT run_id, 'a queued task of step ' || step_no AS what FROM task_queue
        UNION ALL SELECT run_id, 'a timer: ' || kind FROM flow_timers
        UNION ALL SELECT run_id, 'its row in live_runs' FROM live_runs
        UNION ALL SELECT run_id, 'an open approval: step ' || step_no FROM flow_approvals
                   WHERE status = 'open'
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

KEY_USED_TWICE = """
SELECT NULL::uuid, format('key %%L of project %%s started %%s runs', idempotency_key, project_id,
                          count(*))
  FROM flow_run_meta WHERE idempotency_key IS NOT NULL
 GROUP BY project_id, idempotency_key HAVING count(*) > 1
"""

NOT_WHOLE = """
SELECT r.id, format('%%s of %%s steps, the last is %%s of %%s; project %%s, definition %%s',
                    s.steps, jsonb_array_length(d.graph->'steps'), s.last, s.rows, m.project_id,
                    r.definition_id)
  FROM flow_runs r
  LEFT JOIN flow_run_meta m ON m.run_id = r.id
  LEFT JOIN projects p ON p.id = m.project_id
  LEFT JOIN flow_definitions d ON d.id = r.definition_id
 CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE t.parent_no IS NULL) AS steps,
                            count(*) AS rows, max(t.step_no) AS last
                       FROM flow_steps t WHERE t.run_id = r.id) AS s
 WHERE p.id IS NULL OR jsonb_array_length(d.graph->'steps') IS DISTINCT FROM s.steps
    OR s.last <> s.rows - 1
"""

NO_RUN = """
SELECT x.run_id, format('rows in %%s, but no run', x.name)
  FROM (SELECT run_id, 'flow_run_meta' AS name FROM flow_run_meta
        UNION SELECT run_id, 'flow_steps' FROM flow_steps
        UNION SELECT run_id, 'flow_step_events' FROM flow_step_events
        UNION SELECT run_id, 'tasks' FROM tasks
        UNION SELECT run_id, 'task_queue' FROM task_queue
        UNION SELECT run_id, 'flow_timers' FROM flow_timers
        UNION SELECT run_id, 'flow_approvals' FROM flow_approvals
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
        UNION ALL SELECT run_id, 'the question of step ' || step_no, request_ref
                    FROM flow_approvals
        UNION ALL SELECT run_id, 'the answer to step ' || step_no, answer_ref FROM flow_approvals
        UNION ALL SELECT e.run_id, 'event ' || e.seq, decode(e.body->>named.field, 'hex')
                    FROM flow_step_events e
                   CROSS JOIN unnest(ARRAY['output', 'prompt', 'report', 'items', 'request',
                                           'answer', 'record', 'partial']) AS named (field)
                   WHERE e.body ? named.field) AS x
  LEFT JOIN payloads p ON p.ref = x.ref
 WHERE x.ref IS NOT NULL AND p.ref IS NULL
"""
