-- What launch and apply are made of: each writes one part of a decision, of the runs in p_ok.

CREATE OR REPLACE FUNCTION put_payloads_v1(p_refs bytea[], p_bodies bytea[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO payloads (ref, body)
    SELECT x.ref, x.body FROM unnest(p_refs, p_bodies) AS x (ref, body) ORDER BY x.ref
    ON CONFLICT (ref) DO NOTHING;
END
$$;

-- Offer tasks: the immutable row, and its place in the queue. A task that is meant for a worker (w)
-- whose lease lives is that worker's at once: nobody has to claim it. Returns those, per run.
CREATE OR REPLACE FUNCTION offer_tasks_v2(p jsonb, p_ok uuid[]) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    v_taken jsonb;
BEGIN
    WITH x AS MATERIALIZED (
        SELECT x.*, w.id AS worker
          FROM jsonb_to_recordset(p) AS x (
                   run uuid, s integer, a integer, project bigint, key text, kind text, queue text,
                   agent text, model text, persona text, prompt text, total real, idle real, w uuid)
          LEFT JOIN workers w ON w.id = x.w AND w.expires_at > clock_timestamp()
         WHERE x.run = ANY (p_ok)),
    made AS (
        INSERT INTO tasks (run_id, step_no, attempt, project_id, step_key, kind, queue, agent, model,
                           persona, mode_id, input_ref, total_seconds, idle_seconds)
        SELECT x.run, x.s, x.a, x.project, x.key, x.kind, x.queue, x.agent, x.model, x.persona,
               'plan', decode(x.prompt, 'hex'), x.total, x.idle
          FROM x),
    queued AS (
        INSERT INTO task_queue (run_id, step_no, attempt, queue, sort_key, epoch, worker_id, claimed_at)
        SELECT x.run, x.s, x.a, x.queue, (extract(epoch FROM clock_timestamp()) * 1000)::bigint,
               CASE WHEN x.worker IS NOT NULL THEN nextval('claim_epoch_seq') END, x.worker,
               CASE WHEN x.worker IS NOT NULL THEN clock_timestamp() END
          FROM x
        RETURNING run_id, step_no, attempt, epoch),
    taken AS (
        SELECT q.run_id, jsonb_agg(jsonb_build_array(q.step_no, q.attempt, q.epoch)) AS tasks
          FROM queued q WHERE q.epoch IS NOT NULL GROUP BY q.run_id)
    SELECT jsonb_object_agg(t.run_id, t.tasks) INTO v_taken FROM taken t;
    RETURN v_taken;
END
$$;

-- For a decision of the release before that began with its old text: functions are not locked.
CREATE OR REPLACE FUNCTION offer_tasks_v1(p jsonb, p_ok uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM offer_tasks_v2(p, p_ok);
END
$$;

-- Attempts that were over in the very decision that began them: never offered, but on record.
CREATE OR REPLACE FUNCTION record_tasks_v1(p jsonb, p_ok uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tasks (run_id, step_no, attempt, project_id, step_key, kind, queue, agent, model,
                       persona, mode_id, input_ref, total_seconds, idle_seconds)
    SELECT x.run, x.s, x.a, x.project, x.key, x.kind, x.queue, x.agent, x.model, x.persona,
           'plan', decode(x.prompt, 'hex'), x.total, x.idle
      FROM jsonb_to_recordset(p) AS x (
               run uuid, s integer, a integer, project bigint, key text, kind text, queue text,
               agent text, model text, persona text, prompt text, total real, idle real)
     WHERE x.run = ANY (p_ok);
END
$$;

CREATE OR REPLACE FUNCTION append_events_v1(p jsonb, p_ok uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO flow_step_events (run_id, seq, type, step_no, body)
    SELECT x.run, x.seq, x.t, x.s, coalesce(x.b, '{}')
      FROM jsonb_to_recordset(p) AS x (run uuid, seq bigint, t text, s integer, b jsonb)
     WHERE x.run = ANY (p_ok);
END
$$;

CREATE OR REPLACE FUNCTION set_timers_v1(p jsonb, p_ok uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO flow_timers (run_id, step_no, kind, token, due_at)
    SELECT x.run, x.s, x.k, x.tok, clock_timestamp() + make_interval(secs => x.delay)
      FROM jsonb_to_recordset(p) AS x (run uuid, s integer, k text, tok bigint, delay float8)
     WHERE x.run = ANY (p_ok)
    ON CONFLICT (run_id, step_no, kind) DO UPDATE SET token = excluded.token, due_at = excluded.due_at;
END
$$;

-- Hints for dispatchers that need NOTIFY inside the commit (notify_mode = txn).
CREATE OR REPLACE FUNCTION notify_tasks_v1(p jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('tasks_new', x.queue)
      FROM (SELECT DISTINCT t.queue FROM jsonb_to_recordset(p) AS t (queue text)) AS x;
END
$$;

-- Steps that did not exist before: all of a run when it is launched (p_run), later on children.
CREATE OR REPLACE FUNCTION insert_steps_v1(p jsonb, p_run uuid, p_ok uuid[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO flow_steps (run_id, step_no, key, kind, persona, parent_no, item_no, call, status,
                            attempt, failures, crashes, delayed, epoch, cascades, redos, held_back,
                            family, prompt_ref, output_ref, error, reason, dispatched_at, started_at,
                            finished_at)
    SELECT coalesce(x.run, p_run), x.s, x.key, x.kind, x.persona, x.parent, x.item, x.call, x.status,
           coalesce(x.a, 0), coalesce(x.f, 0), coalesce(x.c, 0), coalesce(x.d, false),
           coalesce(x.e, 0), coalesce(x.casc, false), coalesce(x.redos, 0), coalesce(x.held, false),
           x.family, decode(x.prompt, 'hex'), decode(x.output, 'hex'), x.error, x.reason,
           CASE WHEN x.a > 0 OR x.status = 'blocked' THEN clock_timestamp() END,
           CASE WHEN x.status = 'blocked' THEN clock_timestamp() END,
           CASE WHEN x.status IN ('excluded', 'completed', 'failed', 'skipped', 'cancelled')
                THEN clock_timestamp() END
      FROM jsonb_to_recordset(p) AS x (
               run uuid, s integer, key text, kind text, persona text, parent integer, item integer,
               call jsonb, status text, a integer, f integer, c integer, d boolean, e bigint,
               casc boolean, redos integer, held boolean, family jsonb, prompt text, output text,
               error jsonb, reason text)
     WHERE coalesce(x.run, p_run) = ANY (p_ok);
END
$$;

-- Questions to people: those that end first, for a step has only one that is open.
CREATE OR REPLACE FUNCTION write_approvals_v1(p jsonb, p_ok uuid[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_written integer;
BEGIN
    UPDATE flow_approvals t
       SET status = x.status, actor = x.actor, comment = x.comment,
           answer_ref = decode(x.answer, 'hex'), decided_at = clock_timestamp()
      FROM jsonb_to_recordset(p) AS x (
               run uuid, s integer, a integer, status text, request text, actor text, comment text,
               answer text)
     WHERE x.run = ANY (p_ok) AND x.request IS NULL
       AND t.run_id = x.run AND t.step_no = x.s AND t.attempt = x.a AND t.status = 'open';
    GET DIAGNOSTICS v_written = ROW_COUNT;
    -- The first decision stands: one that changes it is a bug and must not commit.
    IF v_written <> (SELECT count(*) FROM jsonb_to_recordset(p) AS x (run uuid, request text)
                      WHERE x.run = ANY (p_ok) AND x.request IS NULL) THEN
        RAISE EXCEPTION 'an approval that is not open was decided' USING ERRCODE = 'FR003';
    END IF;
    INSERT INTO flow_approvals (run_id, step_no, attempt, status, request_ref, digest, expires_at,
                                actor, comment, answer_ref, decided_at)
    SELECT x.run, x.s, x.a, x.status, decode(x.request, 'hex'), x.digest,
           clock_timestamp() + make_interval(secs => x.expires), x.actor, x.comment,
           decode(x.answer, 'hex'), CASE WHEN x.status <> 'open' THEN clock_timestamp() END
      FROM jsonb_to_recordset(p) AS x (
               run uuid, s integer, a integer, status text, request text, digest text,
               expires float8, actor text, comment text, answer text)
     WHERE x.run = ANY (p_ok) AND x.request IS NOT NULL;
END
$$;
