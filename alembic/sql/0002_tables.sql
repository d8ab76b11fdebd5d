-- Children, approvals, waits, generations. Everything is added; the previous release goes on working.
-- First what every decision locks first: then nobody holds a later table and waits for us.
LOCK TABLE flow_runs IN ACCESS EXCLUSIVE MODE;

-- safe: the check and those of the steps read each row once, about 1.5 s per million steps.
ALTER TABLE flow_runs
    ADD COLUMN generation integer NOT NULL DEFAULT 1
        CONSTRAINT flow_runs_generation_check CHECK (generation > 0);

-- A child has a parent, and its place in the parent's list or loop; a call has what it asked for
-- instead. A parent counts the children of its list or loop in *family*.
-- safe: see above; validating later would need a second transaction, and functions have one text.
ALTER TABLE flow_steps
    ADD COLUMN parent_no       integer,
    ADD COLUMN item_no         integer,
    ADD COLUMN redos           integer NOT NULL DEFAULT 0,
    ADD COLUMN cascades        boolean NOT NULL DEFAULT false,
    -- Waits for its turn in its parent's list; was replaced when its parent began anew.
    ADD COLUMN held_back       boolean NOT NULL DEFAULT false,
    ADD COLUMN left_behind     boolean NOT NULL DEFAULT false,
    -- What was lost of the output before it was stored (P11).
    ADD COLUMN truncated_bytes bigint,
    ADD COLUMN replaced_count  bigint,
    ADD COLUMN call            jsonb,
    ADD COLUMN family          jsonb,
    DROP CONSTRAINT flow_steps_kind_check,
    ADD CONSTRAINT flow_steps_kind_check CHECK (kind IN ('agent', 'code', 'approval', 'wait')),
    ADD CONSTRAINT flow_steps_parent_check CHECK (parent_no >= 0 AND parent_no < step_no),
    ADD CONSTRAINT flow_steps_item_check CHECK (item_no IS NULL OR (parent_no IS NOT NULL AND item_no >= 0)),
    ADD CONSTRAINT flow_steps_call_check
        CHECK ((call IS NOT NULL) = (parent_no IS NOT NULL AND item_no IS NULL)),
    ADD CONSTRAINT flow_steps_child_check
        CHECK (parent_no IS NOT NULL OR NOT (held_back OR left_behind));

-- What a step asked people, each time it asked, and who answered.
CREATE TABLE flow_approvals (
    run_id       uuid NOT NULL,
    step_no      integer NOT NULL,
    attempt      integer NOT NULL CONSTRAINT flow_approvals_attempt_check CHECK (attempt > 0),
    status       text NOT NULL CONSTRAINT flow_approvals_status_check
        CHECK (status IN ('open', 'approved', 'rejected', 'expired', 'withdrawn')),
    request_ref  bytea NOT NULL,
    digest       text NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at   timestamptz,
    actor        text,
    comment      text,
    answer_ref   bytea,
    decided_at   timestamptz,
    PRIMARY KEY (run_id, step_no, attempt),
    CONSTRAINT flow_approvals_open_check CHECK ((status = 'open') = (decided_at IS NULL)),
    CONSTRAINT flow_approvals_decided_check CHECK
        (status NOT IN ('approved', 'rejected') OR (actor IS NOT NULL AND answer_ref IS NOT NULL))
);
-- One question at a time; and the inbox, oldest first.
CREATE UNIQUE INDEX flow_approvals_open_key ON flow_approvals (run_id, step_no) WHERE status = 'open';
CREATE INDEX flow_approvals_inbox_idx ON flow_approvals (requested_at, run_id, step_no)
    WHERE status = 'open';

-- safe: there are as many timers as runs wait for.
ALTER TABLE flow_timers
    DROP CONSTRAINT flow_timers_kind_check,
    ADD CONSTRAINT flow_timers_kind_check CHECK
        (kind IN ('retry', 'run_deadline', 'queue', 'wake', 'expiry', 'reminder'));

ALTER TABLE task_results
    ADD COLUMN truncated_bytes bigint NOT NULL DEFAULT 0,
    ADD COLUMN replaced_count  bigint NOT NULL DEFAULT 0;

-- safe: it has two more parameters now and may be called without them; statements look it up anew.
DROP FUNCTION IF EXISTS report_v1(text, bigint, text, text, jsonb, jsonb);
