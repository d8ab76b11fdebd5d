"""One decision, or many runs' decisions, as one statement: rows follow from the events."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from flowrunner.core.bodies import needed_by
from flowrunner.core.decision import LeaseGuard, TimerGuard
from flowrunner.core.model import Ref, RunId, StepStatus
from flowrunner.db.approval_rows import approval_rows
from flowrunner.db.changes import Change, Json, event_rows, run_row, timer_rows
from flowrunner.db.pool import Conn
from flowrunner.db.queue import ClaimedTask
from flowrunner.db.step_rows import StepRows
from flowrunner.db.taking import Take, give, nobody

NotifyMode: TypeAlias = Literal["coalesced", "txn", "off"]


@dataclass(frozen=True, slots=True)
class Applied:
    """*stale*: step numbers with the epoch (leases) or kind (timers) that no longer hold.

    *taken*: tasks that went to a worker as they were offered.
    """

    verdict: Literal["ok", "conflict", "stale"]
    stale: tuple[tuple[int, int | str], ...] = ()
    taken: tuple[ClaimedTask, ...] = ()


APPLY = "SELECT run_id, verdict, stale, taken FROM apply_v2(%(p)s::jsonb, %(refs)s, %(bodies)s)"


async def apply(
    conn: Conn,
    changes: Sequence[Change],
    notify: NotifyMode = "coalesced",
    take: Take = nobody,
) -> dict[RunId, Applied]:
    """Commit *changes*, at most one per run: one round trip, one commit, a verdict each.

    *take* is asked for each task that is offered, in order. An error on the way back leaves the
    outcome unknown: read the run's events to learn it.
    """
    bodies: dict[Ref, bytes] = {}
    for change in changes:
        bodies.update(change.payloads)
        bodies.update(needed_by(change.decision.events))
    parts = _batch(changes, notify)
    given = give(parts["tasks"], bodies, take)
    cur = await conn.execute(
        APPLY,
        {
            "p": json.dumps(parts, separators=(",", ":")),
            "refs": [bytes.fromhex(ref) for ref in bodies],
            "bodies": list(bodies.values()),
        },
    )
    roots = {change.run_id: change.context.project_root for change in changes}
    return {
        run: Applied(verdict, _stale(stale), given.taken(run, roots[run], taken))
        for run, verdict, stale, taken in await cur.fetchall()
    }


def _stale(guards: Sequence[Json] | None) -> tuple[tuple[int, int | str], ...]:
    return tuple((guard["s"], guard["e"] if "e" in guard else guard["k"]) for guard in guards or ())


_ALWAYS = ("runs", "steps", "tasks", "events")
"""What there is mostly; of the rest a statement only says what there is."""


def _batch(changes: Sequence[Change], notify: NotifyMode) -> Json:
    parts: Json = {name: [] for name in _ALWAYS}
    for change in sorted(changes, key=lambda change: change.run_id):
        for name, rows in _rows(change).items():
            if rows:
                parts.setdefault(name, []).extend(rows)
    if notify == "txn":
        parts["notify"] = "txn"
    return parts


def _rows(change: Change) -> Json:
    run = str(change.run_id)
    decision = change.decision
    guards = dict.fromkeys(decision.guards)
    leases = [g for g in guards if isinstance(g, LeaseGuard)]
    fired = [g for g in guards if isinstance(g, TimerGuard)]
    was_over, is_over = change.before.status.is_terminal, change.after.status.is_terminal
    steps = StepRows(change)
    return {
        "runs": [run_row(run, change)],
        "leases": [_lease_row(run, guard, change) for guard in leases],
        "fired": [{"run": run, "s": g.step, "k": g.kind, "tok": g.token} for g in fired],
        "withdrawn": steps.withdrawn({(guard.step, guard.attempt) for guard in leases}),
        "silenced": steps.silenced(),
        "steps": steps.moved(),
        "children": steps.made(),
        "left": steps.left(),
        "approvals": approval_rows(change),
        "tasks": steps.tasks(),
        "unoffered": steps.tasks(offered=False),
        "timers": timer_rows(run, decision, change.after),
        "events": event_rows(run, change.before.version, decision),
        "ended": [run] if is_over and not was_over else [],
        "reopened": [run] if was_over and not is_over else [],
    }


def _lease_row(run: str, guard: LeaseGuard, change: Change) -> Json:
    """The lease goes with its attempt; it stays where the attempt goes on, as that of code does."""
    row: Json = {"run": run, "s": guard.step, "a": guard.attempt, "e": guard.epoch}
    after = change.after.steps[guard.step]
    goes_on = after.status is StepStatus.RUNNING and after.attempt == guard.attempt
    return {**row, "keep": True} if goes_on else row
