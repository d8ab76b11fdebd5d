"""Rows that make no sense cannot be stored, whoever writes them."""

from __future__ import annotations

import psycopg
import pytest

from builders import a_graph
from fixtures.by_hand import a_finished_run, by_hand
from fixtures.databases import Database

pytestmark = pytest.mark.anyio

LIVE_STEP = "UPDATE flow_steps SET {} WHERE status = 'running'"
DONE_STEP = "UPDATE flow_steps SET {} WHERE status = 'completed'"
LIVE_RUN = "UPDATE flow_runs SET {} WHERE status = 'running'"
DONE_RUN = "UPDATE flow_runs SET {} WHERE status = 'completed'"

# What is tried, and the constraint that refuses it.
ROWS = [
    (LIVE_RUN.format("status = 'thinking'"), "flow_runs_status_check"),
    (LIVE_RUN.format("status = 'cancelled'"), "flow_runs_finished_check"),
    (LIVE_RUN.format("finished_at = now(), remaining = 0, ready = 0"), "flow_runs_finished_check"),
    (LIVE_RUN.format("remaining = -1"), "flow_runs_remaining_check"),
    (LIVE_RUN.format("ready = -1"), "flow_runs_ready_check"),
    (LIVE_RUN.format("tolerated = -1"), "flow_runs_tolerated_check"),
    (LIVE_RUN.format("status = 'cancelled', finished_at = now()"), "flow_runs_ended_check"),
    (DONE_RUN.format("finished_at = NULL"), "flow_runs_finished_check"),
    (DONE_RUN.format("remaining = 1"), "flow_runs_ended_check"),
    (DONE_RUN.format("report_ref = NULL"), "flow_runs_completed_check"),
    (DONE_RUN.format("status = 'failed'"), "flow_runs_failed_check"),
    (LIVE_STEP.format("status = 'resting'"), "flow_steps_status_check"),
    (LIVE_STEP.format("kind = 'robot'"), "flow_steps_kind_check"),
    (LIVE_STEP.format("step_no = 3, parent_no = 3, item_no = 0"), "flow_steps_parent_check"),
    (LIVE_STEP.format("item_no = 0"), "flow_steps_item_check"),
    (LIVE_STEP.format("call = '{}'"), "flow_steps_call_check"),
    (LIVE_STEP.format("step_no = 3, parent_no = 0"), "flow_steps_call_check"),
    (LIVE_STEP.format("held_back = true"), "flow_steps_child_check"),
    (LIVE_STEP.format("left_behind = true"), "flow_steps_child_check"),
    (LIVE_RUN.format("generation = 0"), "flow_runs_generation_check"),
    (LIVE_STEP.format("attempt = 0"), "flow_steps_running_check"),
    (LIVE_STEP.format("dispatched_at = NULL"), "flow_steps_running_check"),
    (LIVE_STEP.format("attempt = -1, status = 'pending'"), "flow_steps_attempt_check"),
    (LIVE_STEP.format("finished_at = now()"), "flow_steps_finished_check"),
    (LIVE_STEP.format("delayed = true"), "flow_steps_delayed_check"),
    (LIVE_STEP.format("status = 'completed', finished_at = now()"), "flow_steps_output_check"),
    (LIVE_STEP.format("status = 'failed', finished_at = now()"), "flow_steps_error_check"),
    (LIVE_STEP.format("output_ref = prompt_ref"), "flow_steps_output_check"),
    (DONE_STEP.format("finished_at = NULL"), "flow_steps_finished_check"),
    (DONE_STEP.format("step_no = -1"), "flow_steps_step_no_check"),
    ("UPDATE task_queue SET epoch = NULL", "task_queue_held_check"),
    ("UPDATE task_queue SET worker_id = NULL", "task_queue_held_check"),
    ("UPDATE task_queue SET claimed_at = NULL", "task_queue_held_check"),
    ("UPDATE flow_step_events SET seq = 0", "flow_step_events_seq_check"),
    ("UPDATE flow_run_meta SET idempotency_key = 'k'", "flow_run_meta_key_check"),
    ("UPDATE projects SET name = 'No Name'", "projects_name_check"),
    ("UPDATE projects SET root = 'here'", "projects_root_check"),
    ("UPDATE workers SET slots = 0", "workers_slots_check"),
    ("INSERT INTO payloads (ref, body) VALUES ('short', '')", "payloads_ref_check"),
    (
        "INSERT INTO flow_definitions (hash, name, graph, sources) VALUES ('x', 'x', '{}', '{}')",
        "flow_definitions_hash_check",
    ),
    (
        "INSERT INTO flow_timers SELECT id, 0, 'nap', 0, now() FROM flow_runs",
        "flow_timers_kind_check",
    ),
    (
        "INSERT INTO transcripts SELECT id, 0, 1, 0, 'song', '' FROM flow_runs",
        "transcripts_kind_check",
    ),
    (
        "INSERT INTO task_results OVERRIDING SYSTEM VALUE SELECT 7, id, 0, 1, 1, 'maybe' FROM flow_runs",
        "task_results_outcome_check",
    ),
    (
        "INSERT INTO provider_pauses (provider, until) VALUES ('', now())",
        "provider_pauses_provider_check",
    ),
]
APPROVAL = (
    "INSERT INTO flow_approvals (run_id, step_no, attempt, status, request_ref, digest, actor,"
    " answer_ref, decided_at) SELECT run_id, 0, {attempt}, {status}, input_ref, '', {actor},"
    " {answer}, {at} FROM flow_run_meta"
)
OPEN = {"attempt": "1", "status": "'open'", "actor": "NULL", "answer": "NULL", "at": "NULL"}
DECIDED = {**OPEN, "status": "'approved'", "actor": "'a'", "answer": "input_ref", "at": "now()"}
APPROVALS = [
    (APPROVAL.format(**{**OPEN, "attempt": "0"}), "flow_approvals_attempt_check"),
    (APPROVAL.format(**{**DECIDED, "status": "'maybe'"}), "flow_approvals_status_check"),
    (APPROVAL.format(**{**OPEN, "at": "now()"}), "flow_approvals_open_check"),
    (APPROVAL.format(**{**DECIDED, "at": "NULL"}), "flow_approvals_open_check"),
    (APPROVAL.format(**{**DECIDED, "actor": "NULL"}), "flow_approvals_decided_check"),
    (APPROVAL.format(**{**DECIDED, "answer": "NULL"}), "flow_approvals_decided_check"),
]
TASK = (
    "INSERT INTO tasks (run_id, step_no, attempt, project_id, step_key, kind, queue, agent, mode_id,"
    " input_ref, total_seconds) SELECT run_id, 5, {attempt}, project_id, step_key, {kind}, queue,"
    " agent, {mode}, {input}, total_seconds FROM tasks LIMIT 1"
)
GOOD_TASK = {"attempt": "1", "kind": "'agent'", "mode": "'plan'", "input": "input_ref"}
TASKS = [
    (TASK.format(**{**GOOD_TASK, "mode": "'yolo'"}), "tasks_mode_id_check"),
    (TASK.format(**{**GOOD_TASK, "mode": "''"}), "tasks_mode_id_check"),
    (TASK.format(**{**GOOD_TASK, "attempt": "0"}), "tasks_attempt_check"),
    (TASK.format(**{**GOOD_TASK, "kind": "'robot'"}), "tasks_kind_check"),
    (TASK.format(**{**GOOD_TASK, "input": "NULL"}), "tasks_input_check"),
]


REFUSED = ROWS + APPROVALS + TASKS


@pytest.mark.parametrize(("statement", "constraint"), REFUSED)
async def test_the_schema_refuses(database: Database, statement: str, constraint: str) -> None:
    """P6, P8, R2-30, D2-27, F54: half-ended rows, unknown words and tasks that may write are unstorable."""
    async with await database.connect() as conn:
        await a_finished_run(conn, a_graph("a"))
        live = await by_hand(conn, a_graph("b"))
        await live.hold()

    with pytest.raises(psycopg.errors.CheckViolation) as refused:
        await database.sql(statement)

    assert refused.value.diag.constraint_name == constraint


async def test_every_check_has_been_tried(database: Database) -> None:
    """A CHECK that no test has met may be a typing mistake: the list above is complete."""
    rows = await database.sql(
        "SELECT n.conname FROM pg_constraint n JOIN pg_class c ON c.oid = n.conrelid"
        " WHERE n.contype = 'c' AND NOT c.relispartition"
        " AND c.relnamespace = 'public'::regnamespace"
    )

    assert {name for (name,) in rows} == {constraint for _, constraint in REFUSED}


async def test_an_ended_step_cannot_be_moved_by_a_decision(database: Database) -> None:
    """P1: the one statement that writes steps refuses a decision that moves an ended one."""
    async with await database.connect() as conn:
        run = await by_hand(conn, a_graph("a", "b"))
        await run.hold()
        await run.complete("a")
        sql = (
            "SELECT verdict FROM apply_v1(jsonb_build_object('runs', jsonb_build_array("
            "jsonb_build_object('run', %s::text, 'v', %s::bigint)), 'steps', jsonb_build_array("
            "jsonb_build_object('run', %s::text, 's', 0, 'status', 'running'))), '{}', '{}')"
        )

        with pytest.raises(psycopg.Error, match="a step that has ended was moved") as refused:
            await conn.execute(sql, (run.run_id, run.state.version, run.run_id))

    assert refused.value.sqlstate == "FR002"
