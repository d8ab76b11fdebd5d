"""The statements that read runs: load one whole, its events, due timers, runs that stand still."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from simulation.tables import Json, RunLine, StepLine, Tables

LOADED = (
    "status", "version", "remaining", "ready", "tolerated", "rejected", "error", "generation",
    "input_tokens", "output_tokens", "cost_microusd", "flow", "band", "project_id", "agent",
    "model", "input_ref", "nonce", "project_name", "project_root", "definition_id",
    "definition_hash", "graph", "steps", "decided",
)  # fmt: skip
"""The columns of LOAD_RUN."""


def load_run(tables: Tables, run: UUID) -> list[tuple[Any, ...]]:
    line = tables.runs.get(run)
    if line is None:
        return []
    meta = line.meta
    return [
        (
            line.status, line.version, line.remaining, line.ready, line.tolerated, line.rejected,
            line.error, line.generation, *line.spent, meta["flow"], meta["band"],
            meta["project"], meta["agent"], meta["model"], bytes.fromhex(meta["input"]),
            meta["nonce"], "project", "/", line.definition, "hash", tables.graphs[line.definition],
            [step.as_loaded() for step in line.steps], _decided(tables, run),
        )
    ]  # fmt: skip


def _decided(tables: Tables, run: UUID) -> list[list[Any]] | None:
    asked = [
        (q.decided_at, step, attempt, q)
        for (of, step, attempt), q in tables.questions.items()
        if of == run and q.answer is not None
    ]
    asked.sort(key=lambda each: each[:3])
    told = [[step, q.status == "approved", q.actor, q.answer, q.comment] for _, step, _, q in asked]
    return told or None


def list_events(tables: Tables, run: UUID, after: int, limit: int) -> list[tuple[Any, ...]]:
    line = tables.runs.get(run)
    if line is None:
        return []
    # Gap-free: the event numbered n lies at n - 1.
    some = line.events[after : after + limit]
    return [(run, seq, name, step, body, None) for seq, name, step, body in some]


def list_due(tables: Tables, limit: int) -> list[tuple[UUID, int, str, int]]:
    due = [
        (timer.due_at, run, step, kind, timer.token)
        for (run, step, kind), timer in tables.timers.items()
        if timer.due_at <= tables.now
    ]
    due.sort()
    return [each[1:] for each in due[:limit]]


def seconds_to_next(tables: Tables) -> float | None:
    first = min((timer.due_at for timer in tables.timers.values()), default=None)
    return None if first is None else first - tables.now


def list_unread(tables: Tables, after: int, limit: int) -> list[tuple[Any, ...]]:
    rows = [row for row in tables.results if row.verdict is None and row.id > after]
    return [
        (
            *(r.id, r.run, r.step, r.attempt, r.epoch, r.outcome, r.output, r.error, r.usage),
            *(0, 0, None, r.provider, r.quota_until, None),
        )
        for r in rows[:limit]
    ]


def list_stalled(
    tables: Tables, patience: float, after: UUID, limit: int
) -> list[tuple[UUID, list[int]]]:
    """LIST_STALLED: live runs that nothing moves, each with the steps that lack what should."""
    found: list[tuple[UUID, list[int]]] = []
    for run in sorted(run for run in tables.live if run > after):
        line = tables.runs[run]
        is_left = line.ready > 0 or line.remaining == 0
        is_idle = is_left or not any(of == run for of, _ in tables.queue)
        if line.status != "running" or line.updated_at >= tables.now - patience or not is_idle:
            continue
        missing = [s.number for s in line.steps if not s.has_ended and _lacks(tables, line, s)]
        if is_left or missing or not _is_waiting(tables, run) or any(_due(line)):
            found.append((run, missing))
    return found[:limit]


def _is_waiting(tables: Tables, run: UUID) -> bool:
    has_timer = any(of == run and kind != "run_deadline" for of, _, kind in tables.timers)
    return has_timer or any(
        of == run and q.status == "open" for (of, _, _), q in tables.questions.items()
    )


def _lacks(tables: Tables, line: RunLine, step: StepLine) -> bool:
    if step.status == "running":
        return (line.id, step.number) not in tables.queue
    expires = any(
        key[:2] == (line.id, step.number) and q.status == "open" and q.expires_at is not None
        for key, q in tables.questions.items()
    )
    if step.delayed or (step.status == "blocked" and step.kind == "wait") or expires:
        kinds = ("retry", "wake", "expiry")
        return not any((line.id, step.number, kind) in tables.timers for kind in kinds)
    return False


def _due(line: RunLine) -> Iterator[StepLine]:
    """Parents whose children have all ended: somebody must gather what they said."""
    return (
        step
        for step in line.steps
        if step.status == "blocked"
        and step.kind in {"agent", "code"}
        and not any(_live(line, step))
    )


def _live(line: RunLine, parent: StepLine) -> Iterator[StepLine]:
    return (
        step
        for step in line.steps
        if step.parent == parent.number and not step.left_behind and not step.has_ended
    )


def result_row(args: Json) -> tuple[UUID, int, int]:
    """Split a task's id as report_v2 does."""
    run, step, attempt = str(args["task"]).split(".")
    return UUID(run), int(step), int(attempt)
