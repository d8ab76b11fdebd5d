"""Launch one run: its rows, its first tasks and its first events in one statement."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from flowrunner.core.bodies import needed_by
from flowrunner.core.decision import Decision
from flowrunner.core.model import Ref, RunId, RunState, unstarted
from flowrunner.db.apply import NotifyMode
from flowrunner.db.approval_rows import approval_rows
from flowrunner.db.changes import Change, TaskContext, error_row, event_rows, timer_rows
from flowrunner.db.pool import Conn
from flowrunner.db.queue import ClaimedTask
from flowrunner.db.step_rows import StepRows
from flowrunner.db.taking import Take, give, nobody


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
    """*replayed*: the key was used before; *request_hash* is that first request's.

    *taken*: first tasks that went to a worker as they were offered.
    """

    run_id: RunId
    request_hash: bytes | None
    replayed: bool
    taken: tuple[ClaimedTask, ...] = ()


LAUNCH = """
SELECT run_id, request_hash, replayed, taken FROM launch_v2(%(p)s::jsonb, %(refs)s, %(bodies)s)
"""


async def launch(
    conn: Conn,
    new: NewRun,
    state: RunState,
    decision: Decision,
    *,
    bodies: Mapping[Ref, bytes],
    notify: NotifyMode = "coalesced",
    take: Take = nobody,
) -> LaunchVerdict:
    """Write the run whole or not at all (D2-06). With an idempotency key it may be repeated.

    *take* is asked for each task that is offered, in order.
    """
    parts = _parts(new, state, decision)
    parts["notify"] = notify
    bodies = {**bodies, **needed_by(decision.events)}
    given = give(parts["tasks"], bodies, take)
    refs = [bytes.fromhex(ref) for ref in bodies]
    args = {
        "p": json.dumps(parts, separators=(",", ":")),
        "refs": refs,
        "bodies": list(bodies.values()),
    }
    cur = await conn.execute(LAUNCH, args)
    row: tuple[UUID, bytes | None, bool, Any] | None = await cur.fetchone()
    assert row is not None  # noqa: S101  # launch_v2 always answers
    run_id, request_hash = RunId(row[0]), None if row[1] is None else bytes(row[1])
    taken = given.taken(run_id, new.context.project_root, row[3])
    return LaunchVerdict(run_id, request_hash, row[2], taken)


def _parts(new: NewRun, state: RunState, decision: Decision) -> dict[str, Any]:
    run = str(new.run_id)
    change = Change(new.run_id, unstarted(state.graph), state, decision, new.context)
    steps = StepRows(change)
    parts: dict[str, Any] = {
        "meta": _meta(new),
        "run": {
            "definition": new.definition_id,
            "status": state.status,
            "version": state.version,
            "remaining": state.remaining,
            "ready": state.ready,
            "tolerated": state.tolerated,
            "error": None if state.failure is None else error_row(state.failure),
        },
        "steps": steps.all(),
        "tasks": steps.tasks(),
        "timers": timer_rows(run, decision, state),
        "events": event_rows(run, 0, decision),
    }
    rare = {"approvals": approval_rows(change), "unoffered": steps.tasks(offered=False)}
    return {**parts, **{name: rows for name, rows in rare.items() if rows}}


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


IS_KEY_KNOWN = """
SELECT EXISTS (SELECT FROM flow_run_meta
                WHERE project_id = %(project)s AND idempotency_key = %(key)s)
"""


async def is_key_known(conn: Conn, project_id: int, key: str) -> bool:
    """Whether a run was launched under *key* before."""
    cur = await conn.execute(IS_KEY_KNOWN, {"project": project_id, "key": key})
    row = await cur.fetchone()
    return bool(row and row[0])
