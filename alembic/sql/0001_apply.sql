-- The two statements that write runs. They hold no scheduling logic: they check what the decision
-- depends on and write what it says. All are PL/pgSQL: before PostgreSQL 18 an SQL function is
-- planned anew in every call. Lock order: runs (by id), queue rows, the rest by primary key.

CREATE FUNCTION put_payloads_v1(p_refs bytea[], p_bodies bytea[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO payloads (ref, body)
    SELECT x.ref, x.body FROM unnest(p_refs, p_bodies) AS x (ref, body) ORDER BY x.ref
    ON CONFLICT (ref) DO NOTHING;
END
$$;

-- Offer tasks: the immutable row, and its place in the queue.
CREATE FUNCTION offer_tasks_v1(p jsonb, p_ok uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    WITH t AS (
        INSERT INTO tasks (run_id, step_no, attempt, project_id, step_key, kind, queue, agent, model,
                           persona, mode_id, input_ref, total_seconds, idle_seconds)
        SELECT x.run, x.s, x.a, x.project, x.key, x.kind, x.queue, x.agent, x.model, x.persona,
               'plan', decode(x.prompt, 'hex'), x.total, x.idle
          FROM jsonb_to_recordset(p) AS x (
                   run uuid, s integer, a integer, project bigint, key text, kind text, queue text,
                   agent text, model text, persona text, prompt text, total real, idle real)
         WHERE x.run = ANY (p_ok)
        RETURNING run_id, step_no, attempt, queue)
    INSERT INTO task_queue (run_id, step_no, attempt, queue, sort_key)
    SELECT t.run_id, t.step_no, t.attempt, t.queue,
           (extract(epoch FROM clock_timestamp()) * 1000)::bigint
      FROM t;
END
$$;

CREATE FUNCTION append_events_v1(p jsonb, p_ok uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO flow_step_events (run_id, seq, type, step_no, body)
    SELECT x.run, x.seq, x.t, x.s, coalesce(x.b, '{}')
      FROM jsonb_to_recordset(p) AS x (run uuid, seq bigint, t text, s integer, b jsonb)
     WHERE x.run = ANY (p_ok);
END
$$;

CREATE FUNCTION set_timers_v1(p jsonb, p_ok uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO flow_timers (run_id, step_no, kind, token, due_at)
    SELECT x.run, x.s, x.k, x.tok, clock_timestamp() + make_interval(secs => x.delay)
      FROM jsonb_to_recordset(p) AS x (run uuid, s integer, k text, tok bigint, delay float8)
     WHERE x.run = ANY (p_ok)
    ON CONFLICT (run_id, step_no, kind) DO UPDATE SET token = excluded.token, due_at = excluded.due_at;
END
$$;

-- Hints for dispatchers that need NOTIFY inside the commit (notify_mode = txn).
CREATE FUNCTION notify_tasks_v1(p jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('tasks_new', x.queue)
      FROM (SELECT DISTINCT t.queue FROM jsonb_to_recordset(p) AS t (queue text)) AS x;
END
$$;

-- Launch one run: one round trip, one commit. The same idempotency key answers with the first run.
CREATE FUNCTION launch_v1(p jsonb, p_refs bytea[], p_bodies bytea[])
RETURNS TABLE (run_id uuid, request_hash bytea, replayed boolean) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    m jsonb := p->'meta';
    r uuid := (m->>'run')::uuid;
    found_id uuid;
    found_hash bytea;
BEGIN
    INSERT INTO flow_run_meta (run_id, project_id, flow, band, model, agent, title, input_ref, labels,
                               nonce, launched_by, trigger, idempotency_key, request_hash)
    VALUES (r, (m->>'project')::bigint, m->>'flow', m->>'band', m->>'model', m->>'agent', m->>'title',
            decode(m->>'input', 'hex'), m->'labels', m->>'nonce', m->>'launched_by', m->>'trigger',
            m->>'key', decode(m->>'request_hash', 'hex'))
    ON CONFLICT (project_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING;
    IF NOT FOUND THEN
        SELECT f.run_id, f.request_hash INTO found_id, found_hash FROM flow_run_meta f
         WHERE f.project_id = (m->>'project')::bigint AND f.idempotency_key = m->>'key';
        RETURN QUERY SELECT found_id, found_hash, true;
        RETURN;
    END IF;
    PERFORM put_payloads_v1(p_refs, p_bodies);
    INSERT INTO flow_runs (id, definition_id, status, version, remaining, ready)
    SELECT r, x.definition, x.status, x.version, x.remaining, x.ready
      FROM jsonb_to_record(p->'run') AS x (
               definition bigint, status text, version bigint, remaining integer, ready integer);
    INSERT INTO live_runs (run_id) VALUES (r);
    INSERT INTO flow_steps (run_id, step_no, key, kind, persona, status, attempt, prompt_ref, reason,
                            dispatched_at, finished_at)
    SELECT r, x.s, x.key, x.kind, x.persona, x.status, x.a, decode(x.prompt, 'hex'), x.reason,
           CASE WHEN x.a > 0 THEN clock_timestamp() END,
           CASE WHEN x.status IN ('excluded', 'skipped') THEN clock_timestamp() END
      FROM jsonb_to_recordset(p->'steps') AS x (
               s integer, key text, kind text, persona text, status text, a integer, prompt text,
               reason text);
    PERFORM offer_tasks_v1(p->'tasks', ARRAY[r]);
    PERFORM set_timers_v1(p->'timers', ARRAY[r]);
    PERFORM append_events_v1(p->'events', ARRAY[r]);
    IF p->>'notify' = 'txn' THEN
        PERFORM notify_tasks_v1(p->'tasks');
    END IF;
    RETURN QUERY SELECT r, NULL::bytea, false;
END $$;

-- Commit one decision each for many runs: a verdict per run, and no run's loss is another's.
--   ok        written
--   conflict  somebody else moved the run: read its events after your version and decide again
--   stale     a lease or timer named as a guard is gone; *stale* lists which
CREATE FUNCTION apply_v1(p jsonb, p_refs bytea[], p_bodies bytea[])
RETURNS TABLE (run_id uuid, verdict text, stale jsonb) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_ok uuid[];
    v_stale jsonb;
    v_bad uuid[];
    v_held task_queue[];
    v_written integer;
BEGIN
    PERFORM put_payloads_v1(p_refs, p_bodies);

    SELECT coalesce(array_agg(x.id), '{}') INTO v_ok FROM (
        SELECT t.id FROM flow_runs t
          JOIN jsonb_to_recordset(p->'runs') AS d (run uuid, v bigint) ON t.id = d.run AND t.version = d.v
         WHERE t.finished_at IS NULL
         ORDER BY t.id FOR NO KEY UPDATE OF t) AS x;

    WITH g AS (
        SELECT x.* FROM jsonb_to_recordset(p->'leases') AS x (run uuid, s integer, a integer, e bigint)
         WHERE x.run = ANY (v_ok)),
    -- Taken at once, not locked first: a lock would be another record of WAL for every result.
    held AS (
        DELETE FROM task_queue q USING g
         WHERE q.run_id = g.run AND q.step_no = g.s AND q.attempt = g.a AND q.epoch = g.e
        RETURNING q.*),
    h AS (
        SELECT x.* FROM jsonb_to_recordset(p->'fired') AS x (run uuid, s integer, k text, tok bigint)
         WHERE x.run = ANY (v_ok)),
    standing AS MATERIALIZED (
        SELECT t.run_id, t.step_no, t.kind FROM flow_timers t
          JOIN h ON t.run_id = h.run AND t.step_no = h.s AND t.kind = h.k AND t.token = h.tok
         ORDER BY t.run_id, t.step_no, t.kind FOR UPDATE OF t),
    missing AS (
        SELECT g.run, jsonb_build_object('s', g.s, 'e', g.e) AS guard FROM g
         WHERE NOT EXISTS (SELECT FROM held WHERE held.run_id = g.run AND held.step_no = g.s)
        UNION ALL
        SELECT h.run, jsonb_build_object('s', h.s, 'k', h.k) FROM h
         WHERE NOT EXISTS (SELECT FROM standing w
                            WHERE w.run_id = h.run AND w.step_no = h.s AND w.kind = h.k)),
    per_run AS (SELECT m.run, jsonb_agg(m.guard) AS guards FROM missing m GROUP BY m.run)
    SELECT coalesce(array_agg(r.run), '{}'), coalesce(jsonb_object_agg(r.run, r.guards), '{}'),
           ARRAY(SELECT ROW (held.*)::task_queue FROM held)
      INTO v_bad, v_stale, v_held FROM per_run r;
    IF cardinality(v_bad) > 0 THEN
        v_ok := ARRAY(SELECT x FROM unnest(v_ok) AS x WHERE x <> ALL (v_bad));
        INSERT INTO task_queue SELECT x.* FROM unnest(v_held) AS x WHERE x.run_id = ANY (v_bad);
    END IF;

    IF cardinality(v_ok) > 0 THEN
        DELETE FROM flow_timers t
         USING jsonb_to_recordset(p->'fired') AS x (run uuid, s integer, k text)
         WHERE x.run = ANY (v_ok) AND t.run_id = x.run AND t.step_no = x.s AND t.kind = x.k;

        -- A step row follows its newest event; what left the queue tells when it was claimed.
        WITH gone AS (
            DELETE FROM task_queue q
             USING jsonb_to_recordset(p->'withdrawn') AS x (run uuid, s integer)
             WHERE x.run = ANY (v_ok) AND q.run_id = x.run AND q.step_no = x.s
            RETURNING q.run_id, q.step_no, q.claimed_at),
        left_queue AS (
            SELECT gone.run_id, gone.step_no, gone.claimed_at FROM gone
            UNION ALL SELECT x.run_id, x.step_no, x.claimed_at FROM unnest(v_held) AS x),
        written AS (
            UPDATE flow_steps t
               SET status = x.status, attempt = x.a, failures = x.f, crashes = x.c, delayed = x.d,
                   epoch = x.e,
                   prompt_ref = coalesce(decode(x.prompt, 'hex'), t.prompt_ref),
                   output_ref = coalesce(decode(x.output, 'hex'), t.output_ref),
                   error = coalesce(x.error, t.error),
                   reason = coalesce(x.reason, t.reason),
                   input_tokens = t.input_tokens + coalesce(x.ti, 0),
                   output_tokens = t.output_tokens + coalesce(x.too, 0),
                   cost_microusd = t.cost_microusd + coalesce(x.tc, 0),
                   dispatched_at = CASE WHEN x.a > t.attempt THEN clock_timestamp() ELSE t.dispatched_at END,
                   started_at = CASE WHEN x.a > t.attempt THEN NULL
                                     ELSE coalesce(l.claimed_at, t.started_at) END,
                   finished_at = CASE WHEN x.status IN ('completed', 'failed', 'skipped', 'cancelled')
                                      THEN clock_timestamp() END
              FROM jsonb_to_recordset(p->'steps') AS x (
                       run uuid, s integer, status text, a integer, f integer, c integer, d boolean,
                       e bigint, prompt text, output text, error jsonb, reason text, ti bigint,
                       too bigint, tc bigint)
              LEFT JOIN left_queue l ON l.run_id = x.run AND l.step_no = x.s
             WHERE x.run = ANY (v_ok) AND t.run_id = x.run AND t.step_no = x.s AND t.finished_at IS NULL
            RETURNING t.run_id)
        SELECT count(*) INTO v_written FROM written;
        -- Terminal exactly once: a decision that moves an ended step is a bug and must not commit.
        IF v_written <> (SELECT count(*) FROM jsonb_to_recordset(p->'steps') AS x (run uuid)
                          WHERE x.run = ANY (v_ok)) THEN
            RAISE EXCEPTION 'a step that has ended was moved' USING ERRCODE = 'FR002';
        END IF;

        PERFORM offer_tasks_v1(p->'tasks', v_ok);
        PERFORM set_timers_v1(p->'timers', v_ok);
        PERFORM append_events_v1(p->'events', v_ok);

        UPDATE flow_runs t
           SET version = x.version, status = x.status, remaining = x.remaining, ready = x.ready,
               tolerated = x.tolerated, rejected = x.rejected,
               input_tokens = t.input_tokens + x.ti, output_tokens = t.output_tokens + x.too,
               cost_microusd = t.cost_microusd + x.tc,
               outcome = x.outcome, error = x.error, report_ref = decode(x.report, 'hex'),
               updated_at = clock_timestamp(),
               finished_at = CASE WHEN x.ended THEN clock_timestamp() END
          FROM jsonb_to_recordset(p->'runs') AS x (
                   run uuid, version bigint, status text, remaining integer, ready integer,
                   tolerated integer, rejected integer, ti bigint, too bigint, tc bigint,
                   outcome text, error jsonb, report text, ended boolean)
         WHERE x.run = ANY (v_ok) AND t.id = x.run;

        IF p ? 'ended' THEN
            DELETE FROM live_runs t USING jsonb_array_elements_text(p->'ended') AS x (run)
             WHERE t.run_id = x.run::uuid AND t.run_id = ANY (v_ok);
            DELETE FROM flow_timers t USING jsonb_array_elements_text(p->'ended') AS x (run)
             WHERE t.run_id = x.run::uuid AND t.run_id = ANY (v_ok);
        END IF;
        IF p->>'notify' = 'txn' THEN
            PERFORM notify_tasks_v1(p->'tasks');
        END IF;
    END IF;

    RETURN QUERY
    SELECT d.run,
           CASE WHEN d.run = ANY (v_ok) THEN 'ok' WHEN d.run = ANY (v_bad) THEN 'stale' ELSE 'conflict' END,
           v_stale -> d.run::text
      FROM jsonb_to_recordset(p->'runs') AS d (run uuid);
END $$;
