-- Launch one run: one round trip, one commit. The same idempotency key answers with the first run.
-- *taken* lists the tasks that went to the worker they were meant for, with their epochs.
CREATE OR REPLACE FUNCTION launch_v2(p jsonb, p_refs bytea[], p_bodies bytea[])
RETURNS TABLE (run_id uuid, request_hash bytea, replayed boolean, taken jsonb) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    m jsonb := p->'meta';
    r uuid := (m->>'run')::uuid;
    found_id uuid;
    found_hash bytea;
    v_taken jsonb;
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
        RETURN QUERY SELECT found_id, found_hash, true, NULL::jsonb;
        RETURN;
    END IF;
    PERFORM put_payloads_v1(p_refs, p_bodies);
    INSERT INTO flow_runs (id, definition_id, status, version, remaining, ready, tolerated, error)
    SELECT r, x.definition, x.status, x.version, x.remaining, x.ready, coalesce(x.tolerated, 0), x.error
      FROM jsonb_to_record(p->'run') AS x (
               definition bigint, status text, version bigint, remaining integer, ready integer,
               tolerated integer, error jsonb);
    INSERT INTO live_runs (run_id) VALUES (r);
    PERFORM insert_steps_v1(p->'steps', r, ARRAY[r]);
    v_taken := offer_tasks_v2(p->'tasks', ARRAY[r]);
    IF p ? 'unoffered' THEN
        PERFORM record_tasks_v1(p->'unoffered', ARRAY[r]);
    END IF;
    PERFORM set_timers_v1(p->'timers', ARRAY[r]);
    IF p ? 'approvals' THEN
        PERFORM write_approvals_v1(p->'approvals', ARRAY[r]);
    END IF;
    PERFORM append_events_v1(p->'events', ARRAY[r]);
    IF p->>'notify' = 'txn' THEN
        PERFORM notify_tasks_v1(p->'tasks');
    END IF;
    RETURN QUERY SELECT r, NULL::bytea, false, v_taken -> r::text;
END $$;

-- For replicas of the release before.
CREATE OR REPLACE FUNCTION launch_v1(p jsonb, p_refs bytea[], p_bodies bytea[])
RETURNS TABLE (run_id uuid, request_hash bytea, replayed boolean) LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY SELECT l.run_id, l.request_hash, l.replayed FROM launch_v2(p, p_refs, p_bodies) AS l;
END $$;
