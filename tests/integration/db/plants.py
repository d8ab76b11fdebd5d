"""Breaches of the invariants, one line each: where it shows, the SQL that does it, the complaint.

`:ended`, `:live` and `:asking` are the runs of a scene: a and b, which completed, with b after a; c,
which is held, d, which waits for its retry, and e, which needs c; and ask, which waits for an
answer, nap, which waits for its time, and list, whose first member (step 3) is held.
"""

# The statement of db.invariants whose law is broken.
PLANTS = """
ENDED_TWICE | INSERT INTO flow_step_events (run_id, seq, type, step_no, body) VALUES (:live, 99, 'step.completed', 0, '{}'), (:live, 98, 'step.failed', 0, '{}') | step 0 ended 2 times
QUEUED_AMISS | UPDATE task_queue SET attempt = 7 WHERE run_id = :live | queued for attempt 7 but running at attempt 1
SHARED_EPOCH | INSERT INTO task_queue SELECT run_id, 2, 1, queue, 0, epoch, worker_id, claimed_at FROM task_queue WHERE run_id = :live | is held 2 times
EPOCH_WENT_BACK | INSERT INTO flow_step_events (run_id, seq, type, step_no, body) VALUES (:live, 98, 'step.retrying', 1, '{"epoch": 0}') | epoch 0 came after
OLD_LEASE | UPDATE flow_steps s SET epoch = q.epoch FROM task_queue q WHERE s.run_id = :live AND (q.run_id, q.step_no) = (s.run_id, s.step_no) | was settled before
FENCE_BEHIND | UPDATE flow_steps SET epoch = 1000000000000 WHERE run_id = :ended | epoch 1000000000000 was given out
NO_CAUSE | DELETE FROM task_queue; DELETE FROM flow_timers | nothing will move them
NOT_LIVE | DELETE FROM live_runs | the detector cannot see it
STEP_WITHOUT_CAUSE | DELETE FROM task_queue | step 0 runs without a task in the queue
STEP_WITHOUT_CAUSE | DELETE FROM flow_timers | step 1 is delayed without a timer
STEP_WITHOUT_CAUSE | DELETE FROM flow_timers WHERE kind = 'wake' | step 1 waits without a timer
TIMER_WITHOUT_STEP | INSERT INTO flow_timers VALUES (:live, 0, 'retry', 1, now()) | a retry timer of step 0, which is running
TIMER_WITHOUT_STEP | INSERT INTO flow_timers VALUES (:live, 0, 'queue', 9, now()) | a queue timer of step 0
TIMER_WITHOUT_STEP | INSERT INTO flow_timers VALUES (:asking, 0, 'wake', 0, now()) | a wake timer of step 0, which is blocked
TIMER_WITHOUT_STEP | INSERT INTO flow_timers VALUES (:asking, 1, 'expiry', 0, now()) | a expiry timer of step 1, which is blocked
TIMER_WITHOUT_STEP | INSERT INTO flow_timers VALUES (:live, 0, 'reminder', 1, now()) | a reminder timer of step 0
TIMER_WITHOUT_STEP | INSERT INTO flow_timers VALUES (:live, 0, 'run_deadline', 0, now()) | a run_deadline timer of step 0
APPROVAL_AMISS | DELETE FROM flow_approvals | approval step 0 is blocked at attempt 1, open is none
APPROVAL_AMISS | UPDATE flow_approvals SET attempt = 2 | approval step 0 is blocked at attempt 1, open is 2
APPROVAL_AMISS | UPDATE flow_steps SET status = 'pending' WHERE run_id = :asking AND step_no = 0 | approval step 0 is unknown at attempt , open is 1
CHILD_AMISS | UPDATE flow_steps SET left_behind = true WHERE run_id = :asking AND step_no = 3 | step 3 is running and a child of step 2, which is blocked
CHILD_AMISS | UPDATE flow_steps SET status = 'failed', error = '{}', finished_at = now() WHERE run_id = :asking AND step_no = 2 | step 4 is pending and a child of step 2, which is failed
LOG_AMISS | DELETE FROM flow_step_events WHERE run_id = :ended AND seq = 3 | 5 events numbered 1 to 6, the run is at version 6
LOG_AMISS | UPDATE flow_runs SET version = 7 WHERE id = :ended | the run is at version 7
FIRST_AND_LAST | DELETE FROM flow_step_events WHERE run_id = :ended AND seq = 6 | the log goes from run.started to step.completed, the run is completed
FIRST_AND_LAST | UPDATE flow_step_events SET type = 'run.failing' WHERE seq = 1 | the log goes from run.failing
AFTER_THE_END | INSERT INTO flow_step_events (run_id, seq, type, step_no, body) VALUES (:ended, 7, 'step.dispatched', 1, '{}') | event 7 (step.dispatched) follows run.completed
LEFT_OVER | INSERT INTO live_runs VALUES (:ended) | its row in live_runs
LEFT_OVER | INSERT INTO flow_timers VALUES (:ended, 0, 'retry', 1, now()) | a timer: retry
LEFT_OVER | INSERT INTO task_queue (run_id, step_no, attempt, queue, sort_key) VALUES (:ended, 0, 1, 'default', 0) | a queued task of step 0
LEFT_OVER | INSERT INTO flow_approvals (run_id, step_no, attempt, status, request_ref, digest) VALUES (:ended, 0, 1, 'open', '', '') | an open approval: step 0
LEFT_OVER | UPDATE flow_steps SET status = 'pending', finished_at = NULL, output_ref = NULL WHERE run_id = :ended AND step_no = 0 | step 0, which is pending
COUNTERS_AMISS | UPDATE flow_runs SET input_tokens = 21 WHERE id = :ended | the run says (21,10,4), its steps (20,10,4), its events (20,10,4)
COUNTERS_AMISS | UPDATE flow_steps SET cost_microusd = 3 WHERE run_id = :ended | its steps (20,10,6)
TASKS_AMISS | ALTER TABLE tasks DROP CONSTRAINT tasks_mode_id_check; SET session_replication_role = replica; UPDATE tasks SET mode_id = 'yolo' | mode yolo
TASKS_AMISS | INSERT INTO tasks SELECT run_id, step_no, 9, project_id, step_key, kind, queue, agent, model, persona, mode_id, input_ref, total_seconds, idle_seconds FROM tasks WHERE run_id = :ended | task 0.9: mode plan, its step is at attempt 1
TASKS_MISSING | DELETE FROM tasks WHERE run_id = :ended | step 0 is at attempt 1 and has 0 tasks
KEY_USED_TWICE | DROP INDEX flow_run_meta_idempotency_key; UPDATE flow_run_meta SET idempotency_key = 'k', request_hash = '' | started 3 runs
NOT_WHOLE | DELETE FROM flow_steps WHERE run_id = :live AND step_no = 2 | 2 of 3 steps
NOT_WHOLE | UPDATE flow_steps SET step_no = 9 WHERE run_id = :asking AND step_no = 4 | 3 of 3 steps, the last is 9 of 5
NOT_WHOLE | DELETE FROM flow_run_meta WHERE run_id = :ended | project , definition
NO_RUN | DELETE FROM flow_runs WHERE id = :ended | rows in flow_steps, but no run
DANGLING | DELETE FROM payloads WHERE body = 'said' | the output of step 0 refers to
DANGLING | DELETE FROM payloads WHERE body = '{}' | the input refers to
DANGLING | DELETE FROM payloads WHERE body = 'a question' | the question of step 0 refers to
DANGLING | DELETE FROM payloads WHERE body = 'a list' | event 4 refers to
DANGLING | UPDATE flow_step_events SET body = body || '{"record": "00"}' WHERE type = 'step.completed' | refers to
DANGLING | UPDATE flow_step_events SET body = body || '{"partial": "00"}' WHERE type = 'step.completed' | refers to
"""

# The code of what only the fold can see: the log is whole, but says something else than the rows.
LIES = """
I5 | UPDATE flow_runs SET ready = 1 WHERE id = :live | ready: the log says 0, the row 1
I5 | UPDATE flow_runs SET tolerated = 1 WHERE id = :ended | tolerated: the log says 0
I5 | UPDATE flow_steps SET failures = 5 WHERE run_id = :live AND step_no = 1 | failures=5
I5 | UPDATE flow_runs SET generation = 2 WHERE id = :live | generation: the log says 1, the row 2
I5 | UPDATE flow_steps SET redos = 1 WHERE run_id = :asking AND step_no = 0 | redos=1
I5 | UPDATE flow_steps SET cascades = true WHERE run_id = :ended AND step_no = 0 | cascades=True
I5 | UPDATE flow_steps SET family = jsonb_set(family, '{released}', '2') WHERE run_id = :asking AND step_no = 2 | released=2
I5 | UPDATE flow_steps SET item_no = 7 WHERE run_id = :asking AND step_no = 4 | children: the log says
I5 | UPDATE flow_steps SET key = 'list[z]' WHERE run_id = :asking AND step_no = 4 | children: the log says
I5 | DELETE FROM flow_steps WHERE run_id = :asking AND step_no = 4 | steps: the log says 5, the rows 4
I6 | INSERT INTO flow_step_events (run_id, seq, type, body) VALUES (:ended, 7, 'run.paused', '{"reason": "", "actor": ""}') | event 7: the run was completed already
I5 | UPDATE flow_steps SET crashes = 1 WHERE run_id = :live AND step_no = 0 | crashes=1
I5 | UPDATE flow_steps SET output_ref = prompt_ref WHERE run_id = :ended | outputs: the log says
I5 | UPDATE flow_steps SET reason = 'because' WHERE run_id = :ended | reasons: the log says
I5 | UPDATE flow_steps SET error = NULL WHERE run_id = :live | errors: the log says
I5 | UPDATE flow_step_events SET type = 'step.invented' WHERE run_id = :ended AND seq = 3 | event 3 (step.invented) cannot be read
I5 | UPDATE flow_step_events SET step_no = 77 WHERE run_id = :ended AND seq = 3 | event 3 (step.completed) cannot be read
I5 | SET session_replication_role = replica; UPDATE flow_definitions SET graph = '{"steps": [{}]}' | rows cannot be read
I5 | UPDATE flow_step_events SET step_no = 1 WHERE run_id = :ended AND seq = 2 | was dispatched while 1 of its needs had not ended
I1 | UPDATE flow_step_events SET step_no = 0 WHERE run_id = :ended AND seq = 5 | event 5: step 0 went from completed to completed
I2 | UPDATE flow_step_events SET body = jsonb_set(body, '{attempt}', '2') WHERE run_id = :ended AND seq = 2 | was dispatched as attempt 2 after 0
I2 | UPDATE flow_step_events SET body = jsonb_set(body, '{attempt}', '4') WHERE run_id = :ended AND seq = 3 | ended as attempt 4 while 1 was current
I6 | UPDATE flow_step_events SET type = 'run.cancelled', step_no = NULL, body = '{"reason": "", "actor": ""}' WHERE run_id = :ended AND seq = 4 | event 5: the run was cancelled already
"""


def rows(table: str) -> list[list[str]]:
    return [line.split(" | ") for line in table.strip().splitlines()]
