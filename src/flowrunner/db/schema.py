"""The tables as SQLAlchemy Core, for tests and for the next migration's comparison.

The migration in `alembic/sql` is what databases get; a test builds both and compares catalogues,
so that neither can drift. No statement is built from these.
"""

from __future__ import annotations

import sqlalchemy as sa

from flowrunner.db import columns as c
from flowrunner.db import schema_work as work

metadata = work.metadata


projects = sa.Table(
    "projects",
    metadata,
    c.identity(),
    c.text("name"),
    c.text("root"),
    c.maybe_text("default_model"),
    c.at("created_at", **c.NOW),
    c.check("projects_name_check", "name ~ '^[a-z0-9][a-z0-9_.-]{0,63}$'"),
    c.check("projects_root_check", "root LIKE '/%'"),
    sa.UniqueConstraint("name", name="projects_name_key"),
    sa.UniqueConstraint("root", name="projects_root_key"),
)

flow_definitions = sa.Table(
    "flow_definitions",
    metadata,
    c.identity(),
    c.text("hash"),
    c.text("name"),
    c.json("graph", nullable=False),
    c.json("sources", nullable=False),
    c.at("created_at", **c.NOW),
    c.check("flow_definitions_hash_check", "hash ~ '^[0-9a-f]{64}$'"),
    sa.UniqueConstraint("hash", name="flow_definitions_hash_key"),
)

payloads = sa.Table(
    "payloads",
    metadata,
    c.body("ref", primary_key=True),
    c.body("body", nullable=False),
    c.at("created_at", **c.NOW),
    c.check("payloads_ref_check", "length(ref) = 32"),
)

flow_runs = sa.Table(
    "flow_runs",
    metadata,
    c.uuid("id", primary_key=True),
    c.big("definition_id"),
    c.maybe_text("outcome"),
    c.json("error"),
    c.body("report_ref"),
    c.at("finished_at"),
    c.text("status"),
    c.count("tolerated", **c.ZERO),
    c.count("rejected", **c.ZERO),
    c.count("remaining"),
    c.count("ready"),
    c.big("version"),
    c.at("updated_at", **c.CLOCK),
    *c.usage(),
    c.count("generation", **c.default("1")),
    c.check("flow_runs_generation_check", "generation > 0"),
    c.check("flow_runs_remaining_check", "remaining >= 0"),
    c.check("flow_runs_ready_check", "ready >= 0"),
    c.check("flow_runs_tolerated_check", "tolerated >= 0"),
    c.check(
        "flow_runs_status_check",
        "status IN ('queued', 'running', 'paused', 'completed', 'failed', 'cancelled')",
    ),
    c.check(
        "flow_runs_finished_check",
        "(status IN ('completed', 'failed', 'cancelled')) = (finished_at IS NOT NULL)",
    ),
    c.check("flow_runs_ended_check", "finished_at IS NULL OR (remaining = 0 AND ready = 0)"),
    c.check("flow_runs_failed_check", "status <> 'failed' OR error IS NOT NULL"),
    c.check("flow_runs_completed_check", "status <> 'completed' OR report_ref IS NOT NULL"),
)

live_runs = sa.Table("live_runs", metadata, c.uuid("run_id", primary_key=True))

flow_run_meta = sa.Table(
    "flow_run_meta",
    metadata,
    c.uuid("run_id", primary_key=True),
    c.big("project_id"),
    c.text("flow"),
    c.text("band"),
    c.maybe_text("model"),
    c.text("agent"),
    c.text("title", **c.default("''")),
    c.body("input_ref", nullable=False),
    c.json("labels", nullable=False, **c.default("'{}'")),
    c.text("nonce"),
    c.text("launched_by", **c.default("''")),
    c.text("trigger", **c.default("'api'")),
    c.maybe_text("idempotency_key"),
    c.body("request_hash"),
    c.uuid("parent_run_id"),
    c.at("created_at", **c.CLOCK),
    c.check("flow_run_meta_key_check", "(idempotency_key IS NULL) = (request_hash IS NULL)"),
    sa.Index(
        "flow_run_meta_idempotency_key",
        "project_id",
        "idempotency_key",
        unique=True,
        postgresql_where=sa.text("idempotency_key IS NOT NULL"),
    ),
    sa.Index("flow_run_meta_flow_idx", "flow", "run_id"),
)

flow_steps = sa.Table(
    "flow_steps",
    metadata,
    *c.key_of_run("step_no"),
    c.text("key"),
    c.text("kind"),
    c.maybe_text("persona"),
    c.json("error"),
    c.maybe_text("reason"),
    c.body("prompt_ref"),
    c.at("dispatched_at"),
    c.count("attempt", **c.ZERO),
    c.count("failures", **c.ZERO),
    c.count("crashes", **c.ZERO),
    c.flag("delayed"),
    c.text("status"),
    c.body("output_ref"),
    c.big("epoch", **c.ZERO),
    c.at("started_at"),
    c.at("finished_at"),
    *c.usage(),
    c.number("parent_no"),
    c.number("item_no"),
    c.count("redos", **c.ZERO),
    c.flag("cascades"),
    c.flag("held_back"),
    c.flag("left_behind"),
    sa.Column("truncated_bytes", sa.BigInteger()),
    sa.Column("replaced_count", sa.BigInteger()),
    c.json("call"),
    c.json("family"),
    c.check("flow_steps_step_no_check", "step_no >= 0"),
    c.check("flow_steps_kind_check", "kind IN ('agent', 'code', 'approval', 'wait')"),
    c.check("flow_steps_parent_check", "parent_no >= 0 AND parent_no < step_no"),
    c.check("flow_steps_item_check", "item_no IS NULL OR (parent_no IS NOT NULL AND item_no >= 0)"),
    c.check(
        "flow_steps_call_check",
        "(call IS NOT NULL) = (parent_no IS NOT NULL AND item_no IS NULL)",
    ),
    c.check("flow_steps_child_check", "parent_no IS NOT NULL OR NOT (held_back OR left_behind)"),
    c.check("flow_steps_attempt_check", "attempt >= 0"),
    c.check(
        "flow_steps_status_check",
        "status IN ('excluded', 'pending', 'running', 'blocked', 'completed', 'failed',"
        " 'skipped', 'cancelled')",
    ),
    c.check(
        "flow_steps_finished_check",
        "(status IN ('excluded', 'completed', 'failed', 'skipped', 'cancelled'))"
        " = (finished_at IS NOT NULL)",
    ),
    c.check(
        "flow_steps_running_check",
        "status <> 'running' OR (attempt > 0 AND dispatched_at IS NOT NULL)",
    ),
    c.check("flow_steps_output_check", "(status = 'completed') = (output_ref IS NOT NULL)"),
    c.check("flow_steps_error_check", "status <> 'failed' OR error IS NOT NULL"),
    c.check("flow_steps_delayed_check", "NOT delayed OR status = 'pending'"),
)

flow_approvals = sa.Table(
    "flow_approvals",
    metadata,
    *c.key_of_run("step_no", "attempt"),
    c.text("status"),
    c.body("request_ref", nullable=False),
    c.text("digest"),
    c.at("requested_at", **c.CLOCK),
    c.at("expires_at"),
    c.maybe_text("actor"),
    c.maybe_text("comment"),
    c.body("answer_ref"),
    c.at("decided_at"),
    c.check("flow_approvals_attempt_check", "attempt > 0"),
    c.check(
        "flow_approvals_status_check",
        "status IN ('open', 'approved', 'rejected', 'expired', 'withdrawn')",
    ),
    c.check("flow_approvals_open_check", "(status = 'open') = (decided_at IS NULL)"),
    c.check(
        "flow_approvals_decided_check",
        "status NOT IN ('approved', 'rejected') OR (actor IS NOT NULL AND answer_ref IS NOT NULL)",
    ),
    sa.Index(
        "flow_approvals_open_key",
        "run_id",
        "step_no",
        unique=True,
        postgresql_where=sa.text("status = 'open'"),
    ),
    sa.Index(
        "flow_approvals_inbox_idx",
        "requested_at",
        "run_id",
        "step_no",
        postgresql_where=sa.text("status = 'open'"),
    ),
)

flow_step_events = sa.Table(
    "flow_step_events",
    metadata,
    c.uuid("run_id", primary_key=True),
    sa.Column("seq", sa.BigInteger(), primary_key=True),
    c.text("type"),
    c.number("step_no"),
    c.json("body", nullable=False),
    c.at("at", **c.CLOCK),
    c.check("flow_step_events_seq_check", "seq > 0"),
    postgresql_partition_by="RANGE (run_id)",
)

transcripts = sa.Table(
    "transcripts",
    metadata,
    *c.key_of_run("step_no", "attempt", "seq"),
    c.text("kind"),
    c.text("text"),
    c.at("at", **c.CLOCK),
    c.check("transcripts_kind_check", "kind IN ('text', 'stderr', 'system')"),
    postgresql_partition_by="RANGE (run_id)",
)
