"""One decision, or many runs' decisions, as one statement: rows follow from the events."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from flowrunner.core import events as ev
from flowrunner.core.codec import encode
from flowrunner.core.decision import Decision, LeaseGuard, TimerGuard
from flowrunner.core.graph import StepKind
from flowrunner.core.model import Ref, RunId, RunState, StepStatus, Usage
from flowrunner.db.pool import Conn

Json: TypeAlias = dict[str, Any]
NotifyMode: TypeAlias = Literal["coalesced", "txn", "off"]


@dataclass(frozen=True, slots=True)
class TaskContext:
    """What every task of one run says, besides its step: from the run's meta row, read once."""

    project_id: int
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


@dataclass(frozen=True, slots=True)
class Applied:
    """*stale*: step numbers with the epoch (leases) or kind (timers) that no longer hold."""

    verdict: Literal["ok", "conflict", "stale"]
    stale: tuple[tuple[int, int | str], ...] = ()


APPLY = "SELECT run_id, verdict, stale FROM apply_v1(%(p)s::jsonb, %(refs)s, %(bodies)s)"


async def apply(
    conn: Conn, changes: Sequence[Change], notify: NotifyMode = "coalesced"
) -> dict[RunId, Applied]:
    """Commit *changes*, at most one per run: one round trip, one commit, a verdict each.

    An error on the way back leaves the outcome unknown: read the run's events to learn it.
    """
    bodies: dict[Ref, bytes] = {}
    for change in changes:
        bodies.update(change.payloads)
    cur = await conn.execute(
        APPLY,
        {
            "p": json.dumps(_batch(changes, notify), separators=(",", ":")),
            "refs": [bytes.fromhex(ref) for ref in bodies],
            "bodies": list(bodies.values()),
        },
    )
    return {
        RunId(run): Applied(verdict, _stale(stale)) for run, verdict, stale in await cur.fetchall()
    }


def _stale(guards: Sequence[Json] | None) -> tuple[tuple[int, int | str], ...]:
    return tuple((guard["s"], guard["e"] if "e" in guard else guard["k"]) for guard in guards or ())


def _batch(changes: Sequence[Change], notify: NotifyMode) -> Json:
    parts: Json = {
        name: []
        for name in ("runs", "leases", "fired", "withdrawn", "steps", "tasks", "timers", "events")
    }
    for change in sorted(changes, key=lambda change: change.run_id):
        for name, rows in _rows(change).items():
            parts[name] += rows
    ended = [str(c.run_id) for c in changes if c.after.status.is_terminal]
    if ended:
        parts["ended"] = ended
    if notify == "txn":
        parts["notify"] = "txn"
    return parts


def _rows(change: Change) -> Json:
    run = str(change.run_id)
    decision = change.decision
    leases = [g for g in decision.guards if isinstance(g, LeaseGuard)]
    fired = [g for g in decision.guards if isinstance(g, TimerGuard)]
    touched = _touched(decision)
    return {
        "runs": [_run_row(run, change)],
        "leases": [{"run": run, "s": g.step, "a": g.attempt, "e": g.epoch} for g in leases],
        "fired": [{"run": run, "s": g.step, "k": g.kind, "tok": g.token} for g in fired],
        "withdrawn": [
            {"run": run, "s": step}
            for step in touched
            if change.before.steps[step].status is StepStatus.RUNNING
        ],
        "steps": [_step_row(run, step, change, notes) for step, notes in touched.items()],
        "tasks": [
            task_row(run, step, change.after, change.context)
            for step in touched
            if _is_offered(change, step)
        ],
        "timers": timer_rows(run, decision),
        "events": event_rows(run, change.before.version, decision),
    }


def _is_offered(change: Change, step: int) -> bool:
    after = change.after.steps[step]
    is_new = after.attempt > change.before.steps[step].attempt
    return is_new and after.status is StepStatus.RUNNING


def _run_row(run: str, change: Change) -> Json:
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
        row["error"] = {"code": after.failure.code, "message": after.failure.message}
    for event in change.decision.events:
        match event:
            case ev.RunCompleted(outcome=outcome, report=report):
                row |= {"outcome": outcome, "report": report}
            case ev.RunFailed(report=report):
                row |= {"report": report}
            case _:
                pass
    return row


def _touched(decision: Decision) -> dict[int, Json]:
    """What the events say of each step beyond its state: output, error, reason, usage."""
    touched: dict[int, Json] = {}
    for event in decision.events:
        match event:
            case ev.StepDispatched(step=step):
                touched.setdefault(step, {})
            case ev.StepCompleted(step=step, output=output, usage=usage):
                touched.setdefault(step, {}).update(output=output, **_usage(usage))
            case (
                ev.StepFailed(step=step, error=error, usage=usage)
                | ev.StepRetrying(step=step, error=error, usage=usage)
            ):
                body = encode(ev.RunFailing(error))[2]["error"]
                touched.setdefault(step, {}).update(error=body, **_usage(usage))
            case (
                ev.StepSkipped(step=step, reason=reason)
                | ev.StepCancelled(step=step, reason=reason)
            ):
                touched.setdefault(step, {}).update(reason=reason)
            case _:
                pass
    return touched


def _usage(usage: Usage) -> Json:
    spent = {"ti": usage.input_tokens, "too": usage.output_tokens, "tc": usage.cost_microusd}
    return {key: value for key, value in spent.items() if value}


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


def _step_row(run: str, step: int, change: Change, notes: Json) -> Json:
    after = change.after.steps[step]
    row: Json = {
        "run": run,
        "s": step,
        "status": after.status,
        "a": after.attempt,
        "f": after.failures,
        "c": after.crashes,
        "d": after.delayed,
        "e": after.epoch,
        **notes,
    }
    if after.prompt is not None and after.prompt != change.before.steps[step].prompt:
        row["prompt"] = after.prompt
    return row


def task_row(run: str, step: int, after: RunState, context: TaskContext) -> Json:
    """The immutable row offered for the step's current attempt."""
    spec = after.graph.steps[step]
    state = after.steps[step]
    return {
        "run": run,
        "s": step,
        "a": state.attempt,
        "project": context.project_id,
        "key": spec.key,
        "kind": spec.kind,
        "queue": spec.queue,
        "agent": context.agent if spec.kind is StepKind.AGENT else "",
        "model": context.model,
        "persona": spec.persona,
        "prompt": state.prompt,
        "total": spec.limits.total_seconds,
        "idle": spec.limits.idle_seconds,
    }


def timer_rows(run: str, decision: Decision) -> list[Json]:
    return [
        {"run": run, "s": t.step, "k": t.kind, "tok": t.token, "delay": t.delay_seconds}
        for t in decision.timers
    ]


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
