-- The two statements that write runs. They hold no scheduling logic: they check what the decision
-- depends on and write what it says. All are PL/pgSQL: before PostgreSQL 18 an SQL function is
-- planned anew in every call. Lock order: runs (by id), queue rows, the rest by primary key.

-- Commit one decision each for many runs: a verdict per run, and no run's loss is another's.
--   ok        written
--   conflict  somebody else moved the run: read its events after your version and decide again
--   stale     a lease or timer named as a guard is gone; *stale* lists which
-- *taken* lists the tasks that went to the worker they were meant for, with their epochs.
CREATE OR REPLACE FUNCTION apply_v2(p jsonb, p_refs bytea[], p_bodies bytea[])
RETURNS TABLE (run_id uuid, verdict text, stale jsonb, taken jsonb) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_ok uuid[];
    v_stale jsonb;
    v_taken jsonb;
    v_bad uuid[] := '{}';
    v_held task_queue[] := '{}';
    v_written integer;
BEGIN
    PERFORM put_payloads_v1(p_refs, p_bodies);

    SELECT coalesce(array_agg(x.id), '{}') INTO v_ok FROM (
        SELECT t.id FROM flow_runs t
          JOIN jsonb_to_recordset(p->'runs') AS d (run uuid, v bigint, again boolean)
            ON t.id = d.run AND t.version = d.v
         WHERE t.finished_at IS NULL OR d.again
         ORDER BY t.id FOR NO KEY UPDATE OF t) AS x;

    IF p ? 'leases' THEN
        -- Taken at once, not locked first: a lock would be another record of WAL for every result.
        WITH held AS (
            DELETE FROM task_queue q
             USING jsonb_to_recordset(p->'leases') AS g (run uuid, s integer, a integer, e bigint,
                                                         keep boolean)
             WHERE g.run = ANY (v_ok) AND g.keep IS NOT TRUE
               AND q.run_id = g.run AND q.step_no = g.s AND q.attempt = g.a
               AND (q.epoch = g.e OR (g.e = 0 AND q.epoch IS NULL))
            RETURNING q.*)
        SELECT coalesce(array_agg(ROW (held.*)::task_queue), '{}') INTO v_held FROM held;
    END IF;
    -- As many as were named: then every guard holds, and there is nothing to look into.
    IF p ? 'fired' OR cardinality(v_held) < coalesce(jsonb_array_length(p->'leases'), 0) THEN
        WITH g AS (
            SELECT x.* FROM jsonb_to_recordset(p->'leases') AS x (
                       run uuid, s integer, a integer, e bigint, keep boolean)
             WHERE x.run = ANY (v_ok)),
        held AS (SELECT x.run_id, x.step_no, x.epoch FROM unnest(v_held) AS x),
        -- Code that calls goes on: its lease must stand, and stays.
        kept AS MATERIALIZED (
            SELECT q.run_id, q.step_no, q.epoch FROM task_queue q
              JOIN g ON g.keep AND q.run_id = g.run AND q.step_no = g.s AND q.attempt = g.a
                    AND q.epoch = g.e
             ORDER BY q.run_id, q.step_no FOR NO KEY UPDATE OF q),
        h AS (
            SELECT x.* FROM jsonb_to_recordset(p->'fired') AS x (run uuid, s integer, k text, tok bigint)
             WHERE x.run = ANY (v_ok)),
        standing AS MATERIALIZED (
            SELECT t.run_id, t.step_no, t.kind, t.token FROM flow_timers t
              JOIN h ON t.run_id = h.run AND t.step_no = h.s AND t.kind = h.k AND t.token = h.tok
             ORDER BY t.run_id, t.step_no, t.kind FOR UPDATE OF t),
        -- A batch may say of one step that it is held and that nobody holds it: each guard for itself.
        missing AS (
            SELECT g.run, jsonb_build_object('s', g.s, 'e', g.e) AS guard FROM g
             WHERE NOT EXISTS (SELECT FROM held
                                WHERE held.run_id = g.run AND held.step_no = g.s
                                  AND coalesce(held.epoch, 0) = g.e)
               AND NOT EXISTS (SELECT FROM kept
                                WHERE kept.run_id = g.run AND kept.step_no = g.s AND kept.epoch = g.e)
            UNION ALL
            SELECT h.run, jsonb_build_object('s', h.s, 'k', h.k) FROM h
             WHERE NOT EXISTS (SELECT FROM standing w
                                WHERE w.run_id = h.run AND w.step_no = h.s AND w.kind = h.k
                                  AND w.token = h.tok)),
        per_run AS (SELECT m.run, jsonb_agg(m.guard) AS guards FROM missing m GROUP BY m.run)
        SELECT coalesce(array_agg(r.run), '{}'), coalesce(jsonb_object_agg(r.run, r.guards), '{}')
          INTO v_bad, v_stale FROM per_run r;
    END IF;
    IF cardinality(v_bad) > 0 THEN
        v_ok := ARRAY(SELECT x FROM unnest(v_ok) AS x WHERE x <> ALL (v_bad));
        INSERT INTO task_queue SELECT x.* FROM unnest(v_held) AS x WHERE x.run_id = ANY (v_bad);
    END IF;

    IF cardinality(v_ok) > 0 THEN
        IF p ? 'fired' THEN
            DELETE FROM flow_timers t
             USING jsonb_to_recordset(p->'fired') AS x (run uuid, s integer, k text)
             WHERE x.run = ANY (v_ok) AND t.run_id = x.run AND t.step_no = x.s AND t.kind = x.k;
        END IF;
        IF p ? 'silenced' THEN
            DELETE FROM flow_timers t
             USING jsonb_to_recordset(p->'silenced') AS x (run uuid, s integer)
             WHERE x.run = ANY (v_ok) AND t.run_id = x.run AND t.step_no = x.s;
        END IF;
        IF p ? 'withdrawn' THEN
            WITH gone AS (
                DELETE FROM task_queue q
                 USING jsonb_to_recordset(p->'withdrawn') AS x (run uuid, s integer)
                 WHERE x.run = ANY (v_ok) AND q.run_id = x.run AND q.step_no = x.s
                RETURNING q.*)
            SELECT v_held || coalesce(array_agg(ROW (gone.*)::task_queue), '{}') INTO v_held FROM gone;
        END IF;

        -- A step row follows its newest event; what left the queue tells when it was claimed.
        UPDATE flow_steps t
           SET status = x.status, attempt = x.a, failures = x.f, crashes = x.c, delayed = x.d,
               epoch = x.e,
               redos = coalesce(x.redos, t.redos),
               cascades = coalesce(x.casc, t.cascades),
               held_back = coalesce(x.held, t.held_back),
               family = CASE WHEN x.reset THEN x.family ELSE coalesce(x.family, t.family) END,
               prompt_ref = coalesce(decode(x.prompt, 'hex'),
                                     CASE WHEN x.reset THEN NULL ELSE t.prompt_ref END),
               output_ref = coalesce(decode(x.output, 'hex'),
                                     CASE WHEN x.reset THEN NULL ELSE t.output_ref END),
               error = coalesce(x.error, CASE WHEN x.reset THEN NULL ELSE t.error END),
               reason = coalesce(x.reason, CASE WHEN x.reset THEN NULL ELSE t.reason END),
               truncated_bytes = coalesce(x.cut, CASE WHEN x.reset THEN NULL
                                                      ELSE t.truncated_bytes END),
               replaced_count = coalesce(x.repl, CASE WHEN x.reset THEN NULL
                                                      ELSE t.replaced_count END),
               input_tokens = t.input_tokens + coalesce(x.ti, 0),
               output_tokens = t.output_tokens + coalesce(x.too, 0),
               cost_microusd = t.cost_microusd + coalesce(x.tc, 0),
               dispatched_at = CASE WHEN x.a > t.attempt OR (x.status = 'blocked' AND t.status <> 'blocked')
                                    THEN clock_timestamp()
                                    WHEN x.reset THEN NULL ELSE t.dispatched_at END,
               started_at = CASE WHEN x.status = 'blocked' AND t.status <> 'blocked'
                                 THEN clock_timestamp()
                                 WHEN x.a > t.attempt OR x.reset THEN NULL
                                 ELSE coalesce(l.claimed_at, t.started_at) END,
               finished_at = CASE WHEN x.status IN ('completed', 'failed', 'skipped', 'cancelled')
                                  THEN clock_timestamp() END
          FROM jsonb_to_recordset(p->'steps') AS x (
                   run uuid, s integer, status text, a integer, f integer, c integer, d boolean,
                   e bigint, redos integer, casc boolean, held boolean, family jsonb, prompt text,
                   output text, error jsonb, reason text, cut bigint, repl bigint, ti bigint,
                   too bigint, tc bigint, reset boolean)
          LEFT JOIN unnest(v_held) AS l ON l.run_id = x.run AND l.step_no = x.s
         WHERE x.run = ANY (v_ok) AND t.run_id = x.run AND t.step_no = x.s
           AND (t.finished_at IS NULL OR x.reset);
        GET DIAGNOSTICS v_written = ROW_COUNT;
        -- Terminal exactly once: a decision that moves an ended step is a bug and must not commit.
        IF v_written <> jsonb_array_length(p->'steps')
           AND v_written <> (SELECT count(*) FROM jsonb_to_recordset(p->'steps') AS x (run uuid)
                              WHERE x.run = ANY (v_ok)) THEN
            RAISE EXCEPTION 'a step that has ended was moved' USING ERRCODE = 'FR002';
        END IF;

        IF p ? 'children' THEN
            PERFORM insert_steps_v1(p->'children', NULL, v_ok);
        END IF;
        IF p ? 'left' THEN
            UPDATE flow_steps t SET left_behind = true
              FROM jsonb_to_recordset(p->'left') AS x (run uuid, s integer)
             WHERE x.run = ANY (v_ok) AND t.run_id = x.run AND t.step_no = x.s;
        END IF;
        IF p ? 'approvals' THEN
            PERFORM write_approvals_v1(p->'approvals', v_ok);
        END IF;
        IF p ? 'tasks' THEN
            v_taken := offer_tasks_v2(p->'tasks', v_ok);
        END IF;
        IF p ? 'unoffered' THEN
            PERFORM record_tasks_v1(p->'unoffered', v_ok);
        END IF;
        IF p ? 'timers' THEN
            PERFORM set_timers_v1(p->'timers', v_ok);
        END IF;
        PERFORM append_events_v1(p->'events', v_ok);

        UPDATE flow_runs t
           SET version = x.version, status = x.status, remaining = x.remaining, ready = x.ready,
               tolerated = x.tolerated, rejected = x.rejected,
               input_tokens = t.input_tokens + x.ti, output_tokens = t.output_tokens + x.too,
               cost_microusd = t.cost_microusd + x.tc,
               generation = coalesce(x.gen, t.generation),
               -- An ended run that has a decision and stays ended was rendered again.
               outcome = coalesce(x.outcome, CASE WHEN x.again AND x.ended THEN t.outcome END),
               error = x.error,
               report_ref = coalesce(decode(x.report, 'hex'),
                                     CASE WHEN x.again AND x.ended THEN t.report_ref END),
               updated_at = clock_timestamp(),
               finished_at = CASE WHEN x.ended THEN coalesce(t.finished_at, clock_timestamp()) END
          FROM jsonb_to_recordset(p->'runs') AS x (
                   run uuid, version bigint, status text, remaining integer, ready integer,
                   tolerated integer, rejected integer, ti bigint, too bigint, tc bigint,
                   gen integer, outcome text, error jsonb, report text, ended boolean, again boolean)
         WHERE x.run = ANY (v_ok) AND t.id = x.run;

        IF p ? 'ended' THEN
            DELETE FROM live_runs t USING jsonb_array_elements_text(p->'ended') AS x (run)
             WHERE t.run_id = x.run::uuid AND t.run_id = ANY (v_ok);
            DELETE FROM flow_timers t USING jsonb_array_elements_text(p->'ended') AS x (run)
             WHERE t.run_id = x.run::uuid AND t.run_id = ANY (v_ok);
        END IF;
        IF p ? 'reopened' THEN
            INSERT INTO live_runs (run_id)
            SELECT x.run::uuid FROM jsonb_array_elements_text(p->'reopened') AS x (run)
             WHERE x.run::uuid = ANY (v_ok);
        END IF;
        IF p->>'notify' = 'txn' THEN
            PERFORM notify_tasks_v1(p->'tasks');
        END IF;
    END IF;

    RETURN QUERY
    SELECT d.run,
           CASE WHEN d.run = ANY (v_ok) THEN 'ok' WHEN d.run = ANY (v_bad) THEN 'stale' ELSE 'conflict' END,
           v_stale -> d.run::text, v_taken -> d.run::text
      FROM jsonb_to_recordset(p->'runs') AS d (run uuid);
END $$;

-- For replicas of the release before.
CREATE OR REPLACE FUNCTION apply_v1(p jsonb, p_refs bytea[], p_bodies bytea[])
RETURNS TABLE (run_id uuid, verdict text, stale jsonb) LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY SELECT a.run_id, a.verdict, a.stale FROM apply_v2(p, p_refs, p_bodies) AS a;
END $$;
