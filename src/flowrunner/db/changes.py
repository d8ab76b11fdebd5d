"""What a decision means in rows: the run, its tasks, timers and events (see also `step_rows`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from flowrunner.core import events as ev
from flowrunner.core.codec import encode
from flowrunner.core.decision import Decision, SetTimer
from flowrunner.core.graph import StepKind
from flowrunner.core.inputs import TimerKind
from flowrunner.core.model import (
    Failure,
    Ref,
    RunId,
    RunState,
    RunStatus,
    StepStatus,
    Usage,
)

Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class TaskContext:
    """What every task of one run says, besides its step: from the run's meta row, read once."""

    project_id: int
    project_root: str
    agent: str
    model: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """One run's decision with the states around it and the payloads it refers to."""

    run_id: RunId
    before: RunState
    after: RunState
    decision: Decision
    context: TaskContext
    payloads: Mapping[Ref, bytes] = field(default_factory=dict[Ref, bytes])


def run_row(run: str, change: Change) -> Json:
    """What the run's row becomes, and the version that it must have until then."""
    after = change.after
    total = spent(change.decision.events)
    row: Json = {
        "run": run,
        "v": change.before.version,
        "version": after.version,
        "status": after.status,
        "remaining": after.remaining,
        "ready": after.ready,
        "tolerated": after.tolerated,
        "rejected": after.rejected,
        "ti": total.input_tokens,
        "too": total.output_tokens,
        "tc": total.cost_microusd,
        "ended": after.status.is_terminal,
    }
    if after.failure is not None:
        row["error"] = error_row(after.failure)
    if after.generation != change.before.generation:
        row["gen"] = after.generation
    for event in change.decision.events:
        row |= _ending(event, after.status)
    return row


def _ending(event: ev.Event, status: RunStatus) -> Json:
    match event:
        case ev.RunCompleted(outcome=outcome, report=report):
            return {"outcome": outcome, "report": report}
        case ev.RunFailed(report=report):
            return {"report": report}
        case ev.RunRendered(outcome=outcome, report=report):
            # Without a report nothing is taken back, not even what this very decision says.
            if report is None:
                return {"again": True}
            is_completed = status is RunStatus.COMPLETED
            told: Json = {"again": True, "report": report}
            return {**told, "outcome": outcome} if is_completed else told
        case ev.RunRetried():
            # Whatever ended before this is taken back.
            return {"again": True, "report": None, "outcome": None}
        case _:
            return {}


def error_row(failure: Failure) -> Json:
    body: Json = encode(ev.RunFailing(failure))[2]["error"]
    return body


def spent(events: Iterable[ev.Event]) -> Usage:
    """What the attempts that *events* end have consumed together."""
    usages = [
        event.usage
        for event in events
        if isinstance(event, ev.StepCompleted | ev.StepFailed | ev.StepRetrying)
    ]
    return Usage(
        sum(usage.input_tokens for usage in usages),
        sum(usage.output_tokens for usage in usages),
        sum(usage.cost_microusd for usage in usages),
    )


def task_row(run: str, event: ev.StepDispatched, after: RunState, context: TaskContext) -> Json:
    """The immutable row of the attempt that *event* began."""
    spec = after.spec(event.step)
    return {
        "run": run,
        "s": event.step,
        "a": event.attempt,
        "project": context.project_id,
        "key": spec.key,
        "kind": spec.kind,
        "queue": spec.queue,
        "agent": context.agent if spec.kind is StepKind.AGENT else "",
        "model": context.model,
        "persona": spec.persona,
        "prompt": event.prompt or after.steps[event.step].prompt,
        "total": spec.limits.total_seconds,
        "idle": spec.limits.idle_seconds,
    }


def timer_rows(run: str, decision: Decision, after: RunState) -> list[Json]:
    """Timers to set: the last of a kind for a step, and none for what is over by now."""
    last = {(t.step, t.kind): t for t in decision.timers if _is_wanted(t, after)}
    return [
        {"run": run, "s": t.step, "k": t.kind, "tok": t.token, "delay": t.delay_seconds}
        for t in last.values()
    ]


def _is_wanted(timer: SetTimer, after: RunState) -> bool:
    if timer.kind is TimerKind.RUN_DEADLINE:
        return not after.status.is_terminal
    step = after.steps[timer.step]
    match timer.kind:
        case TimerKind.RETRY:
            return step.delayed
        case TimerKind.QUEUE:
            return step.status is StepStatus.RUNNING and step.attempt == timer.token
        case _:
            return step.status is StepStatus.BLOCKED


def event_rows(run: str, version: int, decision: Decision) -> list[Json]:
    """Number the events on from *version*: gap-free, in the order of the decision (P7)."""
    rows: list[Json] = []
    for seq, event in enumerate(decision.events, start=version + 1):
        name, step, body = encode(event)
        row: Json = {"run": run, "seq": seq, "t": name}
        if step is not None:
            row["s"] = step
        if body:
            row["b"] = body
        rows.append(row)
    return rows
