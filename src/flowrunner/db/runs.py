"""Statements on runs: load one whole, and find those that wait for nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flowrunner.core.graph import Graph
from flowrunner.core.model import Failure, FailureClass, Ref, RunId, RunState, RunStatus, Usage
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
    project_root: str
    input_ref: Ref
    nonce: str
    definition_id: int
    definition_hash: str


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
          FROM flow_steps s WHERE s.run_id = r.id) AS steps
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
    return LoadedRun(_meta(run_id, named), state, outputs, errors, reasons, usage)


def failure_of(value: dict[str, Any] | None) -> Failure | None:
    if value is None:
        return None
    failure_class = FailureClass(value.get("failure_class", FailureClass.FATAL))
    return Failure(value["code"], value["message"], failure_class)


def _meta(run_id: RunId, named: dict[str, Any]) -> RunMeta:
    return RunMeta(
        run_id=run_id,
        flow=named["flow"],
        band=named["band"],
        context=TaskContext(named["project_id"], named["agent"], named["model"]),
        project_name=named["project_name"],
        project_root=named["project_root"],
        input_ref=Ref(bytes(named["input_ref"]).hex()),
        nonce=named["nonce"],
        definition_id=named["definition_id"],
        definition_hash=named["definition_hash"],
    )


@dataclass(frozen=True, slots=True)
class Stalled:
    """A live run with no cause to move; *missing*: steps without their task or their timer."""

    run_id: RunId
    missing: tuple[int, ...]


# A run's causes: a task offered or held, a timer. Steps that are ready (or a report that is due)
# are being prepared by some replica for a moment; after *patience* nobody is. (P4)
LIST_STALLED = """
SELECT r.id,
       ARRAY(SELECT s.step_no FROM flow_steps s
              WHERE s.run_id = r.id
                AND ((s.status = 'running'
                      AND NOT EXISTS (SELECT FROM task_queue q
                                       WHERE q.run_id = s.run_id AND q.step_no = s.step_no))
                  OR (s.delayed
                      AND NOT EXISTS (SELECT FROM flow_timers t
                                       WHERE t.run_id = s.run_id AND t.step_no = s.step_no
                                         AND t.kind = 'retry')))
              ORDER BY s.step_no) AS missing
  FROM live_runs l
  JOIN flow_runs r ON r.id = l.run_id
 WHERE r.status = 'running'
   AND r.updated_at < clock_timestamp() - make_interval(secs => %(patience)s)
   AND (r.ready > 0
        OR r.remaining = 0
        OR (NOT EXISTS (SELECT FROM task_queue q WHERE q.run_id = r.id)
            AND NOT EXISTS (SELECT FROM flow_timers t
                             WHERE t.run_id = r.id AND t.kind <> 'run_deadline')))
   AND r.id > %(after)s
 ORDER BY r.id
 LIMIT %(limit)s
"""


async def list_stalled(
    conn: Conn, *, patience_seconds: float, after: RunId, limit: int = 500
) -> list[Stalled]:
    """Runs that nothing will move any more. Reads only the live ones, a page at a time."""
    args = {"patience": patience_seconds, "after": after, "limit": limit}
    cur = await conn.execute(LIST_STALLED, args)
    return [Stalled(RunId(run_id), tuple(missing)) for run_id, missing in await cur.fetchall()]
