-- The contract with dispatchers, ours and foreign: docs/dispatcher.md. The dispatcher's role may run
-- these functions and nothing else; they act with the owner's rights on a fixed search path.

CREATE OR REPLACE FUNCTION task_id_v1(p_run uuid, p_step integer, p_attempt integer) RETURNS text
LANGUAGE sql IMMUTABLE AS $$ SELECT p_run || '.' || p_step || '.' || p_attempt $$;

CREATE OR REPLACE FUNCTION register_worker_v1(p_worker uuid, p_name text, p_host text, p_pid integer,
                                   p_queues text[], p_slots integer, p_version text, p_lease float8)
RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
    INSERT INTO workers (id, name, host, pid, queues, slots, version, expires_at)
    VALUES (p_worker, p_name, p_host, p_pid, p_queues, p_slots, p_version,
            clock_timestamp() + make_interval(secs => p_lease))
    ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at, slots = excluded.slots
$$;

-- At most p_count tasks of the given queues, oldest first, each under a fresh epoch.
CREATE OR REPLACE FUNCTION claim_v1(p_worker uuid, p_queues text[], p_count integer)
RETURNS TABLE (task_id text, run_id uuid, step_no integer, attempt integer, epoch bigint, queue text,
               step_key text, kind text, project_root text, agent text, model text, persona text,
               mode_id text, total_seconds real, idle_seconds real, input bytea)
LANGUAGE plpgsql SECURITY DEFINER AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH c AS MATERIALIZED (
        SELECT y.run_id, y.step_no
          FROM unnest(p_queues) AS x (queue)
         CROSS JOIN LATERAL (
               SELECT q.run_id, q.step_no, q.sort_key FROM task_queue q
                WHERE q.queue = x.queue AND q.epoch IS NULL
                ORDER BY q.sort_key LIMIT p_count FOR UPDATE SKIP LOCKED) AS y
         ORDER BY y.sort_key LIMIT p_count),
    u AS (
        UPDATE task_queue q
           SET epoch = nextval('claim_epoch_seq'), worker_id = p_worker, claimed_at = clock_timestamp()
          FROM c
         WHERE q.run_id = c.run_id AND q.step_no = c.step_no
           AND EXISTS (SELECT FROM workers w WHERE w.id = p_worker AND w.expires_at > clock_timestamp())
        RETURNING q.run_id, q.step_no, q.attempt, q.epoch, q.queue, q.sort_key)
    SELECT task_id_v1(u.run_id, u.step_no, u.attempt), u.run_id, u.step_no, u.attempt, u.epoch, u.queue,
           t.step_key, t.kind, p.root, t.agent, t.model, t.persona, t.mode_id, t.total_seconds,
           t.idle_seconds, b.body
      FROM u
      JOIN tasks t USING (run_id, step_no, attempt)
      JOIN projects p ON p.id = t.project_id
      LEFT JOIN payloads b ON b.ref = t.input_ref
     ORDER BY u.sort_key;
END $$;

-- Prolong the worker's lease; *known* is false when the worker must register again, *lost* lists the
-- epochs it no longer holds (cancelled, reaped, or settled): stop those agents at once. See renew_v2.
CREATE OR REPLACE FUNCTION renew_v1(p_worker uuid, p_lease float8, p_held bigint[])
RETURNS TABLE (known boolean, lost bigint[]) LANGUAGE plpgsql SECURITY DEFINER AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH w AS (
        UPDATE workers t SET expires_at = clock_timestamp() + make_interval(secs => p_lease)
         WHERE t.id = p_worker RETURNING 1)
    SELECT EXISTS (SELECT FROM w),
           ARRAY(SELECT x.e FROM unnest(p_held) AS x (e)
                   LEFT JOIN (SELECT q.epoch FROM task_queue q
                               WHERE q.worker_id = p_worker AND q.epoch IS NOT NULL) AS h ON h.epoch = x.e
                  WHERE h.epoch IS NULL);
END $$;

-- Hand leases back unfinished: offered again at once, not counted as a crash. What was reported is
-- kept until it is read (P3): offering it again would make the report a late one.
CREATE OR REPLACE FUNCTION release_v1(p_worker uuid, p_epochs bigint[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE n integer;
BEGIN
    WITH mine AS MATERIALIZED (
        SELECT q.run_id, q.step_no FROM task_queue q
         WHERE q.worker_id = p_worker AND q.epoch = ANY (p_epochs)
           AND NOT is_reported_v1(q.run_id, q.step_no, q.epoch)
         ORDER BY q.run_id, q.step_no FOR UPDATE)
    UPDATE task_queue q SET epoch = NULL, worker_id = NULL, claimed_at = NULL
      FROM mine WHERE q.run_id = mine.run_id AND q.step_no = mine.step_no;
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END $$;

-- Whether the inbox holds a result of this lease that nobody has read.
CREATE OR REPLACE FUNCTION is_reported_v1(p_run uuid, p_step integer, p_epoch bigint) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM task_results r
                    WHERE r.verdict IS NULL AND r.run_id = p_run AND r.step_no = p_step
                      AND r.epoch = p_epoch)
$$;

-- After a claim whose answer was lost: give back what the worker holds without knowing it.
CREATE OR REPLACE FUNCTION release_unknown_v1(p_worker uuid, p_held bigint[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE n integer;
BEGIN
    WITH mine AS MATERIALIZED (
        SELECT q.run_id, q.step_no FROM task_queue q
         WHERE q.worker_id = p_worker AND q.epoch IS NOT NULL AND q.epoch <> ALL (p_held)
           AND NOT is_reported_v1(q.run_id, q.step_no, q.epoch)
         ORDER BY q.run_id, q.step_no FOR UPDATE)
    UPDATE task_queue q SET epoch = NULL, worker_id = NULL, claimed_at = NULL
      FROM mine WHERE q.run_id = mine.run_id AND q.step_no = mine.step_no;
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END $$;

-- Say goodbye: hand back what is held and remove the worker.
CREATE OR REPLACE FUNCTION deregister_worker_v1(p_worker uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER AS $$
    SELECT release_unknown_v1(p_worker, '{}');
    DELETE FROM workers WHERE id = p_worker
$$;

-- Report through the durable inbox. May be repeated: the epoch makes the second one a duplicate.
-- report_v2 takes more.
CREATE OR REPLACE FUNCTION report_v1(p_task_id text, p_epoch bigint, p_outcome text, p_output text,
                                     p_error jsonb DEFAULT NULL, p_usage jsonb DEFAULT NULL,
                                     p_truncated_bytes bigint DEFAULT 0,
                                     p_replaced_count bigint DEFAULT 0)
RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
    INSERT INTO task_results (run_id, step_no, attempt, epoch, outcome, output, error, usage,
                              truncated_bytes, replaced_count)
    VALUES (split_part(p_task_id, '.', 1)::uuid, split_part(p_task_id, '.', 2)::integer,
            split_part(p_task_id, '.', 3)::integer, p_epoch, p_outcome, p_output, p_error, p_usage,
            coalesce(p_truncated_bytes, 0), coalesce(p_replaced_count, 0));
    SELECT pg_notify('results_new', '')
$$;

-- Add to an attempt's transcript while the lease lives; false when it does not.
CREATE OR REPLACE FUNCTION append_transcript_v1(p_task_id text, p_epoch bigint, p_seqs integer[], p_kinds text[],
                                     p_texts text[])
RETURNS boolean LANGUAGE sql SECURITY DEFINER AS $$
    WITH lease AS (
        SELECT q.run_id, q.step_no, q.attempt FROM task_queue q
         WHERE q.run_id = split_part(p_task_id, '.', 1)::uuid
           AND q.step_no = split_part(p_task_id, '.', 2)::integer
           AND q.attempt = split_part(p_task_id, '.', 3)::integer
           AND q.epoch = p_epoch),
    added AS (
        INSERT INTO transcripts (run_id, step_no, attempt, seq, kind, text)
        SELECT l.run_id, l.step_no, l.attempt, x.seq, x.kind, x.text
          FROM lease l CROSS JOIN unnest(p_seqs, p_kinds, p_texts) AS x (seq, kind, text)
        ON CONFLICT DO NOTHING)
    SELECT EXISTS (SELECT FROM lease)
$$;

-- Weekly partitions ahead of time; the bounds are the UUIDv7 of each week's first millisecond.
CREATE OR REPLACE FUNCTION ensure_partitions_v1(p_weeks integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    parent text;
    first timestamptz;
    name text;
    made integer := 0;
BEGIN
    FOR i IN 0 .. p_weeks LOOP
        first := date_trunc('week', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + make_interval(weeks => i);
        FOREACH parent IN ARRAY ARRAY['flow_step_events', 'transcripts'] LOOP
            name := parent || '_' || to_char(first AT TIME ZONE 'UTC', 'YYYYMMDD');
            CONTINUE WHEN to_regclass(name) IS NOT NULL;
            -- Replicas that look at the same moment take turns; the second one finds it made.
            PERFORM pg_advisory_xact_lock(x'666c6f78'::integer);
            IF to_regclass(name) IS NULL THEN
                EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)', name, parent,
                               uuid7_floor_v1(first), uuid7_floor_v1(first + interval '7 days'));
                made := made + 1;
            END IF;
        END LOOP;
    END LOOP;
    RETURN made;
END $$;

CREATE OR REPLACE FUNCTION uuid7_floor_v1(p_at timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM p_at) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid
$$;
