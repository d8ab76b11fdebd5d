"""The tables of work that is offered, held and reported; `schema` has those of runs, and all."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from flowrunner.db import columns as c

metadata = sa.MetaData()

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
    c.big("truncated_bytes", **c.ZERO),
    c.big("replaced_count", **c.ZERO),
    c.maybe_text("partial"),
    c.maybe_text("provider"),
    c.at("quota_until"),
    c.json("record"),
    c.check("task_results_outcome_check", "outcome IN ('completed', 'failed', 'cancelled')"),
    sa.Index("task_results_unread_idx", "id", postgresql_where=sa.text("verdict IS NULL")),
)

provider_pauses = sa.Table(
    "provider_pauses",
    metadata,
    sa.Column("provider", sa.Text(), primary_key=True),
    c.at("until", nullable=False),
    c.text("reason", **c.default("''")),
    c.at("told_at", **c.CLOCK),
    c.check("provider_pauses_provider_check", "length(provider) BETWEEN 1 AND 200"),
)

flow_timers = sa.Table(
    "flow_timers",
    metadata,
    *c.key_of_run("step_no"),
    sa.Column("kind", sa.Text(), primary_key=True),
    c.big("token"),
    c.at("due_at", nullable=False),
    c.check(
        "flow_timers_kind_check",
        "kind IN ('retry', 'run_deadline', 'queue', 'wake', 'expiry', 'reminder')",
    ),
    sa.Index("flow_timers_due_at_idx", "due_at"),
)
