"""The tables as SQLAlchemy Core, for tests and for the next migration's comparison.

The migration in `alembic/sql` is what databases get; a test builds both and compares catalogues,
so that neither can drift. No statement is built from these.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from flowrunner.db import columns as c

metadata = sa.MetaData()


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
    sa.Column("delayed", sa.Boolean(), nullable=False, server_default=sa.text("false")),
    c.text("status"),
    c.body("output_ref"),
    c.big("epoch", **c.ZERO),
    c.at("started_at"),
    c.at("finished_at"),
    *c.usage(),
    c.check("flow_steps_step_no_check", "step_no >= 0"),
    c.check("flow_steps_kind_check", "kind IN ('agent', 'code')"),
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

tasks = sa.Table(
    "tasks",
    metadata,
    *c.key_of_run("step_no", "attempt"),
    c.big("project_id"),
    c.text("step_key"),
    c.text("kind"),
    c.text("queue"),
    c.text("agent"),
    c.maybe_text("model"),
    c.maybe_text("persona"),
    c.text("mode_id"),
    c.body("input_ref"),
    c.real("total_seconds", nullable=False),
    c.real("idle_seconds"),
    c.at("created_at", **c.CLOCK),
    c.check("tasks_attempt_check", "attempt > 0"),
    c.check("tasks_kind_check", "kind IN ('agent', 'code')"),
    c.check("tasks_mode_id_check", "mode_id = 'plan'"),
    c.check("tasks_input_check", "kind <> 'agent' OR input_ref IS NOT NULL"),
)

task_queue = sa.Table(
    "task_queue",
    metadata,
    *c.key_of_run("step_no"),
    c.count("attempt"),
    c.text("queue"),
    c.big("sort_key"),
    sa.Column("epoch", sa.BigInteger()),
    c.uuid("worker_id"),
    c.at("claimed_at"),
    c.check(
        "task_queue_held_check",
        "(epoch IS NULL) = (worker_id IS NULL) AND (epoch IS NULL) = (claimed_at IS NULL)",
    ),
    sa.Index(
        "task_queue_offered_idx", "queue", "sort_key", postgresql_where=sa.text("epoch IS NULL")
    ),
    sa.Index("task_queue_held_idx", "worker_id", postgresql_where=sa.text("epoch IS NOT NULL")),
)

claim_epoch_seq = sa.Sequence("claim_epoch_seq", metadata=metadata)

workers = sa.Table(
    "workers",
    metadata,
    c.uuid("id", primary_key=True),
    c.text("name"),
    c.text("host"),
    c.count("pid"),
    sa.Column("queues", pg.ARRAY(sa.Text()), nullable=False),
    c.count("slots"),
    c.text("version"),
    c.at("started_at", **c.CLOCK),
    c.at("expires_at", nullable=False),
    c.check("workers_slots_check", "slots > 0"),
)

task_results = sa.Table(
    "task_results",
    metadata,
    c.identity(),
    c.uuid("run_id", nullable=False),
    c.count("step_no"),
    c.count("attempt"),
    c.big("epoch"),
    c.text("outcome"),
    c.maybe_text("output"),
    c.json("error"),
    c.json("usage"),
    c.maybe_text("verdict"),
    c.at("reported_at", **c.CLOCK),
    c.check("task_results_outcome_check", "outcome IN ('completed', 'failed', 'cancelled')"),
    sa.Index("task_results_unread_idx", "id", postgresql_where=sa.text("verdict IS NULL")),
)

flow_timers = sa.Table(
    "flow_timers",
    metadata,
    *c.key_of_run("step_no"),
    sa.Column("kind", sa.Text(), primary_key=True),
    c.big("token"),
    c.at("due_at", nullable=False),
    c.check("flow_timers_kind_check", "kind IN ('retry', 'run_deadline')"),
    sa.Index("flow_timers_due_at_idx", "due_at"),
)
