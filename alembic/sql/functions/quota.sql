-- Providers whose quota is used up: nothing is sent to one before its time, and nobody loses an
-- attempt by waiting (ADR 21). All times are this database's.

-- The provider answers nobody before p_until, as far as anybody knows: the latest word stands. Answers
-- for how many seconds from now it is paused, NULL when it is not; without p_until it only answers.
CREATE OR REPLACE FUNCTION pause_provider_v1(p_provider text, p_until timestamptz, p_reason text DEFAULT '')
RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
    v_now timestamptz := clock_timestamp();
BEGIN
    IF p_until > v_now AND length(p_provider) BETWEEN 1 AND 200 THEN
        -- No quota is counted over more than a month: what is later is a mistake.
        INSERT INTO provider_pauses AS t (provider, until, reason, told_at)
        VALUES (p_provider, least(p_until, v_now + interval '35 days'), left(p_reason, 1000), v_now)
        ON CONFLICT (provider) DO UPDATE
           SET until = excluded.until, reason = excluded.reason, told_at = excluded.told_at
         WHERE t.until < excluded.until;
        -- Workers renew when they hear it, and learn it from that.
        IF FOUND THEN
            PERFORM pg_notify('leases_lost', '');
        END IF;
    END IF;
    RETURN (SELECT extract(epoch FROM t.until - v_now)::float8 FROM provider_pauses t
             WHERE t.provider = p_provider AND t.until > v_now);
END $$;

-- As renew_v1; and which providers are paused, each with the seconds from now until it is not.
CREATE OR REPLACE FUNCTION renew_v2(p_worker uuid, p_lease float8, p_held bigint[])
RETURNS TABLE (known boolean, lost bigint[], paused jsonb) LANGUAGE plpgsql SECURITY DEFINER AS $$
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
                  WHERE h.epoch IS NULL),
           coalesce((SELECT jsonb_object_agg(p.provider, extract(epoch FROM p.until - clock_timestamp()))
                       FROM provider_pauses p WHERE p.until > clock_timestamp()), '{}');
END $$;

-- As report_v1; with what an attempt that failed had said, whose quota ended until when, and how the
-- attempt was run. The provider is paused in the same commit, before anybody reads the report.
CREATE OR REPLACE FUNCTION report_v2(p_task_id text, p_epoch bigint, p_outcome text, p_output text,
                                     p_error jsonb DEFAULT NULL, p_usage jsonb DEFAULT NULL,
                                     p_truncated_bytes bigint DEFAULT 0,
                                     p_replaced_count bigint DEFAULT 0, p_partial text DEFAULT NULL,
                                     p_provider text DEFAULT NULL, p_quota_until timestamptz DEFAULT NULL,
                                     p_record jsonb DEFAULT NULL)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    -- What is over says nothing, and not every moment that PostgreSQL knows can be read (infinity).
    v_until timestamptz := CASE WHEN p_quota_until > clock_timestamp()
                                THEN least(p_quota_until, clock_timestamp() + interval '35 days') END;
BEGIN
    INSERT INTO task_results (run_id, step_no, attempt, epoch, outcome, output, error, usage,
                              truncated_bytes, replaced_count, partial, provider, quota_until, record)
    VALUES (split_part(p_task_id, '.', 1)::uuid, split_part(p_task_id, '.', 2)::integer,
            split_part(p_task_id, '.', 3)::integer, p_epoch, p_outcome, p_output, p_error, p_usage,
            coalesce(p_truncated_bytes, 0), coalesce(p_replaced_count, 0), p_partial, p_provider,
            v_until, p_record);
    IF v_until IS NOT NULL THEN
        PERFORM pause_provider_v1(p_provider, v_until, coalesce(p_error->>'message', ''));
    END IF;
    PERFORM pg_notify('results_new', '');
END $$;
