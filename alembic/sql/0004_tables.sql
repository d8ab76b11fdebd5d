-- Providers whose quota is used up, and what a report says beside its answer. Everything is added.
-- What a report carries more: how the attempt was run, what it had said before it failed, and until
-- when its provider answers nobody.
ALTER TABLE task_results
    ADD COLUMN partial     text,
    ADD COLUMN provider    text,
    ADD COLUMN quota_until timestamptz,
    ADD COLUMN record      jsonb;

-- Who answers nobody until when. Rows are few, and go some time after their end.
CREATE TABLE provider_pauses (
    provider text PRIMARY KEY
        CONSTRAINT provider_pauses_provider_check CHECK (length(provider) BETWEEN 1 AND 200),
    until    timestamptz NOT NULL,
    reason   text NOT NULL DEFAULT '',
    told_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
