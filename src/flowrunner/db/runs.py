"""Statements on runs: load one whole, and find those that wait for nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flowrunner.core.codec import read_failure
from flowrunner.core.events import ApprovalDecided
from flowrunner.core.graph import Graph
from flowrunner.core.model import Failure, Ref, RunId, RunState, RunStatus, Usage
from flowrunner.core.vector import Vector
from flowrunner.db.changes import TaskContext
from flowrunner.db.pool import Conn
from flowrunner.db.restoring import StepRow, restored_steps


@dataclass(frozen=True, slots=True)
class RunMeta:
    """What is cold and immutable about a run, as the engine needs it."""

    run_id: RunId
    flow: str
    band: str
    context: TaskContext
    project_name: str
    input_ref: Ref
    nonce: str
    definition_id: int
    definition_hash: str

    @property
    def project_root(self) -> str:
        return self.context.project_root


@dataclass(frozen=True, slots=True)
class LoadedRun:
    """A run as it stands, in one round trip: its state, its meta row and its steps' outputs."""

    meta: RunMeta
    state: RunState
    outputs: dict[int, Ref]
    errors: dict[int, Failure]
    reasons: dict[int, str]
    """Why steps were excluded, skipped or cancelled."""
    usage: Usage
    decided: tuple[ApprovalDecided, ...] = ()
    """What people said so far, in that order."""


# One snapshot for everything: the steps belong to exactly this version of the run.
LOAD_RUN = """
SELECT r.status, r.version, r.remaining, r.ready, r.tolerated, r.rejected, r.error, r.generation,
       r.input_tokens, r.output_tokens, r.cost_microusd,
       m.flow, m.band, m.project_id, m.agent, m.model, m.input_ref, m.nonce,
       p.name AS project_name, p.root AS project_root,
       d.id AS definition_id, d.hash AS definition_hash, d.graph,
       (SELECT json_agg(json_build_array(s.step_no, s.status, s.attempt, s.failures, s.crashes,
                                         s.delayed, s.epoch, encode(s.prompt_ref, 'hex'),
                                         encode(s.output_ref, 'hex'), s.error, s.reason,
                                         s.cascades, s.redos, s.family, s.held_back, s.left_behind,
                                         s.key, s.parent_no, s.item_no, s.persona, s.call)
                        ORDER BY s.step_no)
          FROM flow_steps s WHERE s.run_id = r.id) AS steps,
       (SELECT json_agg(json_build_array(a.step_no, a.status = 'approved', a.actor,
                                         encode(a.answer_ref, 'hex'), a.comment)
                        ORDER BY a.decided_at, a.step_no, a.attempt)
          FROM flow_approvals a WHERE a.run_id = r.id AND a.answer_ref IS NOT NULL) AS decided
  FROM flow_runs r
  JOIN flow_run_meta m ON m.run_id = r.id
  JOIN projects p ON p.id = m.project_id
  JOIN flow_definitions d ON d.id = r.definition_id
 WHERE r.id = %(run_id)s
"""


async def load_run(conn: Conn, run_id: RunId) -> LoadedRun | None:
    """Everything the engine keeps resident; None when there is no such run."""
    cur = await conn.execute(LOAD_RUN, {"run_id": run_id})
    row = await cur.fetchone()
    if row is None or cur.description is None:
        return None
    named: dict[str, Any] = dict(zip((c.name for c in cur.description), row, strict=True))
    graph = Graph.from_json(named["graph"])
    stored: list[list[Any]] = named["steps"] or []
    rows = [StepRow(*row) for row in stored]
    states, children = restored_steps(graph, rows)
    state = RunState(
        graph=graph,
        status=RunStatus(named["status"]),
        version=named["version"],
        steps=Vector(states),
        remaining=named["remaining"],
        ready=named["ready"],
        tolerated=named["tolerated"],
        failure=failure_of(named["error"]),
        rejected=named["rejected"],
        children=Vector(children),
        generation=named["generation"],
    )
    outputs = {row.number: Ref(row.output) for row in rows if row.output is not None}
    errors = {row.number: error for row in rows if (error := failure_of(row.error)) is not None}
    reasons = {row.number: row.reason for row in rows if row.reason is not None}
    usage = Usage(named["input_tokens"], named["output_tokens"], named["cost_microusd"])
    said: list[list[Any]] = named["decided"] or []
    decided = tuple(
        ApprovalDecided(step, approved, actor, Ref(answer), comment or "")
        for step, approved, actor, answer, comment in said
    )
    return LoadedRun(_meta(run_id, named), state, outputs, errors, reasons, usage, decided)


def failure_of(value: dict[str, Any] | None) -> Failure | None:
    return None if value is None else read_failure(value)


def _meta(run_id: RunId, named: dict[str, Any]) -> RunMeta:
    return RunMeta(
        run_id=run_id,
        flow=named["flow"],
        band=named["band"],
        context=TaskContext(
            named["project_id"], named["project_root"], named["agent"], named["model"]
        ),
        project_name=named["project_name"],
        input_ref=Ref(bytes(named["input_ref"]).hex()),
        nonce=named["nonce"],
        definition_id=named["definition_id"],
        definition_hash=named["definition_hash"],
    )
