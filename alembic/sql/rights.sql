-- Group rights. Roles may be missing (a managed server without CREATEROLE): then the owner serves all.
DO $$
DECLARE
    f regprocedure;
    t regclass;
    path text := current_schema();
BEGIN
    -- A function with the owner's rights must not look where its caller says.
    FOR f IN SELECT p.oid::regprocedure FROM pg_proc p
              WHERE p.pronamespace = path::regnamespace AND p.proname ~ '_v[0-9]+$' LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
    END LOOP;
    FOR f IN SELECT p.oid::regprocedure FROM pg_proc p
              WHERE p.pronamespace = path::regnamespace AND p.prosecdef LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', f, path);
    END LOOP;
    -- One plan, by index, whatever the statistics of the moment say: tables that were empty when a
    -- session planned them must not be scanned whole when they are full (C5).
    FOR f IN SELECT p.oid::regprocedure FROM pg_proc p
              WHERE p.pronamespace = path::regnamespace
                AND p.proname IN ('apply_v2', 'launch_v2', 'claim_v1', 'renew_v1', 'renew_v2') LOOP
        EXECUTE format('ALTER FUNCTION %s SET plan_cache_mode = force_generic_plan', f);
        EXECUTE format('ALTER FUNCTION %s SET enable_seqscan = off', f);
        EXECUTE format('ALTER FUNCTION %s SET enable_hashjoin = off', f);
        EXECUTE format('ALTER FUNCTION %s SET enable_mergejoin = off', f);
    END LOOP;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'flowrunner_service') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO flowrunner_service', path);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %I TO flowrunner_service', path);
        EXECUTE format('GRANT USAGE ON ALL SEQUENCES IN SCHEMA %I TO flowrunner_service', path);
        EXECUTE format('GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA %I TO flowrunner_service', path);
        REVOKE UPDATE ON tasks, payloads, flow_definitions, flow_step_events, transcripts, flow_run_meta
            FROM flowrunner_service;
        -- Partitions are reached through their parent: none is a way round what that one refuses.
        FOR t IN SELECT c.oid::regclass FROM pg_class c
                  WHERE c.relnamespace = path::regnamespace AND c.relispartition AND c.relkind = 'r' LOOP
            EXECUTE format('REVOKE ALL ON TABLE %s FROM flowrunner_service', t);
        END LOOP;
        REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM flowrunner_service;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'flowrunner_dispatcher') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO flowrunner_dispatcher', path);
        GRANT EXECUTE ON FUNCTION
            register_worker_v1(uuid, text, text, integer, text[], integer, text, float8),
            claim_v1(uuid, text[], integer), renew_v1(uuid, float8, bigint[]), release_v1(uuid, bigint[]),
            release_unknown_v1(uuid, bigint[]), deregister_worker_v1(uuid),
            report_v1(text, bigint, text, text, jsonb, jsonb, bigint, bigint), renew_v2(uuid, float8, bigint[]),
            report_v2(text, bigint, text, text, jsonb, jsonb, bigint, bigint, text, text, timestamptz, jsonb),
            append_transcript_v1(text, bigint, integer[], text[], text[])
            TO flowrunner_dispatcher;
    END IF;
END $$;
