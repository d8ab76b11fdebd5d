-- What flows run against.
CREATE TABLE projects (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          text NOT NULL CONSTRAINT projects_name_check CHECK (name ~ '^[a-z0-9][a-z0-9_.-]{0,63}$'),
    root          text NOT NULL CONSTRAINT projects_root_check CHECK (root LIKE '/%'),
    default_model text,
    created_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT projects_name_key UNIQUE (name),
    CONSTRAINT projects_root_key UNIQUE (root)
);

-- The graph and the source text by content hash: what pins a run (D2-21).
CREATE TABLE flow_definitions (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash       text NOT NULL CONSTRAINT flow_definitions_hash_check CHECK (hash ~ '^[0-9a-f]{64}$'),
    name       text NOT NULL,
    graph      jsonb NOT NULL,
    sources    jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT flow_definitions_hash_key UNIQUE (hash)
);

-- Immutable, content-addressed bodies: prompts, outputs, inputs, reports.
CREATE TABLE payloads (
    ref        bytea PRIMARY KEY CONSTRAINT payloads_ref_check CHECK (length(ref) = 32),
    body       bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Narrow and hot. No index covers a column that changes, so that every update is HOT; and what
-- changes together stands together, for WAL leaves out only what is equal before and after it.
CREATE TABLE flow_runs (
    id            uuid PRIMARY KEY,
    definition_id bigint NOT NULL,
    outcome       text,
    error         jsonb,
    report_ref    bytea,
    finished_at   timestamptz,
    status        text NOT NULL,
    tolerated     integer NOT NULL DEFAULT 0 CONSTRAINT flow_runs_tolerated_check CHECK (tolerated >= 0),
    rejected      integer NOT NULL DEFAULT 0,
    remaining     integer NOT NULL CONSTRAINT flow_runs_remaining_check CHECK (remaining >= 0),
    ready         integer NOT NULL CONSTRAINT flow_runs_ready_check CHECK (ready >= 0),
    version       bigint NOT NULL,
    updated_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    input_tokens  bigint NOT NULL DEFAULT 0,
    output_tokens bigint NOT NULL DEFAULT 0,
    cost_microusd bigint NOT NULL DEFAULT 0,
    CONSTRAINT flow_runs_status_check
        CHECK (status IN ('queued', 'running', 'paused', 'completed', 'failed', 'cancelled')),
    CONSTRAINT flow_runs_finished_check
        CHECK ((status IN ('completed', 'failed', 'cancelled')) = (finished_at IS NOT NULL)),
    -- P6: a terminal run has no live step.
    CONSTRAINT flow_runs_ended_check CHECK (finished_at IS NULL OR (remaining = 0 AND ready = 0)),
    CONSTRAINT flow_runs_failed_check CHECK (status <> 'failed' OR error IS NOT NULL),
    CONSTRAINT flow_runs_completed_check CHECK (status <> 'completed' OR report_ref IS NOT NULL)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- The runs that are not terminal; a partial index on flow_runs would cost it HOT updates.
CREATE TABLE live_runs (
    run_id uuid PRIMARY KEY
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- Cold and immutable: what is searched.
CREATE TABLE flow_run_meta (
    run_id          uuid PRIMARY KEY,
    project_id      bigint NOT NULL,
    flow            text NOT NULL,
    band            text NOT NULL,
    model           text,
    agent           text NOT NULL,
    title           text NOT NULL DEFAULT '',
    input_ref       bytea NOT NULL,
    labels          jsonb NOT NULL DEFAULT '{}',
    nonce           text NOT NULL,
    launched_by     text NOT NULL DEFAULT '',
    trigger         text NOT NULL DEFAULT 'api',
    idempotency_key text,
    request_hash    bytea,
    parent_run_id   uuid,
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT flow_run_meta_key_check CHECK ((idempotency_key IS NULL) = (request_hash IS NULL))
);
CREATE UNIQUE INDEX flow_run_meta_idempotency_key ON flow_run_meta (project_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX flow_run_meta_flow_idx ON flow_run_meta (flow, run_id);

CREATE TABLE flow_steps (
    run_id        uuid NOT NULL,
    step_no       integer NOT NULL CONSTRAINT flow_steps_step_no_check CHECK (step_no >= 0),
    key           text NOT NULL,
    kind          text NOT NULL CONSTRAINT flow_steps_kind_check CHECK (kind IN ('agent', 'code')),
    persona       text,
    error         jsonb,
    reason        text,
    -- From here to the status: what a dispatch writes.
    prompt_ref    bytea,
    dispatched_at timestamptz,
    attempt       integer NOT NULL DEFAULT 0 CONSTRAINT flow_steps_attempt_check CHECK (attempt >= 0),
    failures      integer NOT NULL DEFAULT 0,
    crashes       integer NOT NULL DEFAULT 0,
    delayed       boolean NOT NULL DEFAULT false,
    -- From here on: what an end writes.
    status        text NOT NULL,
    output_ref    bytea,
    epoch         bigint NOT NULL DEFAULT 0,
    started_at    timestamptz,
    finished_at   timestamptz,
    input_tokens  bigint NOT NULL DEFAULT 0,
    output_tokens bigint NOT NULL DEFAULT 0,
    cost_microusd bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (run_id, step_no),
    CONSTRAINT flow_steps_status_check CHECK (status IN
        ('excluded', 'pending', 'running', 'blocked', 'completed', 'failed', 'skipped', 'cancelled')),
    CONSTRAINT flow_steps_finished_check CHECK
        ((status IN ('excluded', 'completed', 'failed', 'skipped', 'cancelled')) = (finished_at IS NOT NULL)),
    CONSTRAINT flow_steps_running_check CHECK (status <> 'running' OR (attempt > 0 AND dispatched_at IS NOT NULL)),
    CONSTRAINT flow_steps_output_check CHECK ((status = 'completed') = (output_ref IS NOT NULL)),
    CONSTRAINT flow_steps_error_check CHECK (status <> 'failed' OR error IS NOT NULL),
    CONSTRAINT flow_steps_delayed_check CHECK (NOT delayed OR status = 'pending')
) WITH (fillfactor = 40, autovacuum_vacuum_scale_factor = 0.02);

-- Append-only. (run, seq) is gap-free; UUIDv7 run ids make ranges of runs ranges of time.
CREATE TABLE flow_step_events (
    run_id  uuid NOT NULL,
    seq     bigint NOT NULL CONSTRAINT flow_step_events_seq_check CHECK (seq > 0),
    type    text NOT NULL,
    step_no integer,
    body    jsonb NOT NULL,
    at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run_id, seq)
) PARTITION BY RANGE (run_id);
CREATE TABLE flow_step_events_default PARTITION OF flow_step_events DEFAULT;

-- What an agent streamed, per attempt.
CREATE TABLE transcripts (
    run_id  uuid NOT NULL,
    step_no integer NOT NULL,
    attempt integer NOT NULL,
    seq     integer NOT NULL,
    kind    text NOT NULL CONSTRAINT transcripts_kind_check CHECK (kind IN ('text', 'stderr', 'system')),
    text    text NOT NULL,
    at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run_id, step_no, attempt, seq)
) PARTITION BY RANGE (run_id);
CREATE TABLE transcripts_default PARTITION OF transcripts DEFAULT;

-- Immutable: the row offered to dispatchers for one attempt, and read-only work by constraint (P8).
CREATE TABLE tasks (
    run_id        uuid NOT NULL,
    step_no       integer NOT NULL,
    attempt       integer NOT NULL CONSTRAINT tasks_attempt_check CHECK (attempt > 0),
    project_id    bigint NOT NULL,
    step_key      text NOT NULL,
    kind          text NOT NULL CONSTRAINT tasks_kind_check CHECK (kind IN ('agent', 'code')),
    queue         text NOT NULL,
    agent         text NOT NULL,
    model         text,
    persona       text,
    mode_id       text NOT NULL CONSTRAINT tasks_mode_id_check CHECK (mode_id = 'plan'),
    input_ref     bytea,
    total_seconds real NOT NULL,
    idle_seconds  real,
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run_id, step_no, attempt),
    CONSTRAINT tasks_input_check CHECK (kind <> 'agent' OR input_ref IS NOT NULL)
);

-- Tiny and hot: only offered and held tasks. The primary key leaves room for one per step (I2).
CREATE TABLE task_queue (
    run_id     uuid NOT NULL,
    step_no    integer NOT NULL,
    attempt    integer NOT NULL,
    queue      text NOT NULL,
    sort_key   bigint NOT NULL,
    epoch      bigint,
    worker_id  uuid,
    claimed_at timestamptz,
    PRIMARY KEY (run_id, step_no),
    CONSTRAINT task_queue_held_check
        CHECK ((epoch IS NULL) = (worker_id IS NULL) AND (epoch IS NULL) = (claimed_at IS NULL))
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,
        autovacuum_vacuum_cost_delay = 0);
CREATE INDEX task_queue_offered_idx ON task_queue (queue, sort_key) WHERE epoch IS NULL;
CREATE INDEX task_queue_held_idx ON task_queue (worker_id) WHERE epoch IS NOT NULL;
-- The fence. Never reset, never reused (P2).
CREATE SEQUENCE claim_epoch_seq;

CREATE TABLE workers (
    id         uuid PRIMARY KEY,
    name       text NOT NULL,
    host       text NOT NULL,
    pid        integer NOT NULL,
    queues     text[] NOT NULL,
    slots      integer NOT NULL CONSTRAINT workers_slots_check CHECK (slots > 0),
    version    text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL
) WITH (fillfactor = 40, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- The durable inbox of dispatchers that report through SQL. Accepted rows are deleted; a refused
-- one stays with its verdict, as evidence.
CREATE TABLE task_results (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id      uuid NOT NULL,
    step_no     integer NOT NULL,
    attempt     integer NOT NULL,
    epoch       bigint NOT NULL,
    outcome     text NOT NULL CONSTRAINT task_results_outcome_check
        CHECK (outcome IN ('completed', 'failed', 'cancelled')),
    output      text,
    error       jsonb,
    usage       jsonb,
    verdict     text,
    reported_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX task_results_unread_idx ON task_results (id) WHERE verdict IS NULL;

CREATE TABLE flow_timers (
    run_id  uuid NOT NULL,
    step_no integer NOT NULL,
    kind    text NOT NULL CONSTRAINT flow_timers_kind_check CHECK (kind IN ('retry', 'run_deadline')),
    token   bigint NOT NULL,
    due_at  timestamptz NOT NULL,
    PRIMARY KEY (run_id, step_no, kind)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CREATE INDEX flow_timers_due_at_idx ON flow_timers (due_at);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% rows are never changed', TG_TABLE_NAME USING ERRCODE = 'FR001';
END $$;
CREATE TRIGGER tasks_are_immutable BEFORE UPDATE ON tasks
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER payloads_are_immutable BEFORE UPDATE ON payloads
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER definitions_are_immutable BEFORE UPDATE ON flow_definitions
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
