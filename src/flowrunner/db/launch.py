"""Launch one run: its rows, its first tasks and its first events in one statement."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from flowrunner.core import events as ev
from flowrunner.core.decision import Decision
from flowrunner.core.model import Ref, RunId, RunState, StepStatus
from flowrunner.db.apply import NotifyMode, TaskContext, event_rows, task_row, timer_rows
from flowrunner.db.pool import Conn


@dataclass(frozen=True, slots=True)
class NewRun:
    """Everything a run row needs that the core does not know."""

    run_id: RunId
    context: TaskContext
    definition_id: int
    flow: str
    band: str
    input_ref: Ref
    nonce: str
    title: str = ""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    launched_by: str = ""
    trigger: str = "api"
    idempotency_key: str | None = None
    request_hash: bytes | None = None


@dataclass(frozen=True, slots=True)
class LaunchVerdict:
    """*replayed*: the key was used before; *request_hash* is that first request's."""

    run_id: RunId
    request_hash: bytes | None
    replayed: bool


LAUNCH = "SELECT run_id, request_hash, replayed FROM launch_v1(%(p)s::jsonb, %(refs)s, %(bodies)s)"


async def launch(
    conn: Conn,
    new: NewRun,
    state: RunState,
    decision: Decision,
    *,
    bodies: Mapping[Ref, bytes],
    notify: NotifyMode = "coalesced",
) -> LaunchVerdict:
    """Write the run whole or not at all (D2-06). With an idempotency key it may be repeated."""
    parts = {
        "meta": _meta(new),
        "run": {
            "definition": new.definition_id,
            "status": state.status,
            "version": state.version,
            "remaining": state.remaining,
            "ready": state.ready,
        },
        "steps": _steps(state, decision),
        "tasks": _tasks(new, state),
        "timers": timer_rows(str(new.run_id), decision),
        "events": event_rows(str(new.run_id), 0, decision),
        "notify": notify,
    }
    refs = [bytes.fromhex(ref) for ref in bodies]
    args = {
        "p": json.dumps(parts, separators=(",", ":")),
        "refs": refs,
        "bodies": list(bodies.values()),
    }
    cur = await conn.execute(LAUNCH, args)
    row: tuple[UUID, bytes | None, bool] | None = await cur.fetchone()
    assert row is not None  # noqa: S101  # launch_v1 always answers
    return LaunchVerdict(RunId(row[0]), None if row[1] is None else bytes(row[1]), row[2])


def _meta(new: NewRun) -> dict[str, Any]:
    return {
        "run": str(new.run_id),
        "project": new.context.project_id,
        "flow": new.flow,
        "band": new.band,
        "model": new.context.model,
        "agent": new.context.agent,
        "title": new.title,
        "input": new.input_ref,
        "labels": dict(new.labels),
        "nonce": new.nonce,
        "launched_by": new.launched_by,
        "trigger": new.trigger,
        "key": new.idempotency_key,
        "request_hash": None if new.request_hash is None else new.request_hash.hex(),
    }


def _steps(state: RunState, decision: Decision) -> list[dict[str, Any]]:
    reasons: dict[int, str] = {}
    for event in decision.events:
        match event:
            case ev.RunStarted(excluded=excluded):
                reasons.update(excluded)
            case ev.StepSkipped(step=step, reason=reason):
                reasons[step] = reason
            case _:
                pass
    rows: list[dict[str, Any]] = []
    for number, (spec, step) in enumerate(zip(state.graph.steps, state.steps, strict=True)):
        row = {"s": number, "key": spec.key, "kind": spec.kind, "persona": spec.persona}
        row |= {"status": step.status, "a": step.attempt, "prompt": step.prompt}
        rows.append({**row, "reason": reasons.get(number)})
    return rows


def _tasks(new: NewRun, state: RunState) -> list[dict[str, Any]]:
    running = (n for n, step in enumerate(state.steps) if step.status is StepStatus.RUNNING)
    return [task_row(str(new.run_id), number, state, new.context) for number in running]
