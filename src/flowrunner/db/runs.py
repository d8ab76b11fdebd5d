"""Statements on runs: load one whole, and find those that wait for nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flowrunner.core.graph import Graph, OnFail
from flowrunner.core.model import (
    Failure,
    FailureClass,
    Ref,
    RunId,
    RunState,
    RunStatus,
    StepState,
    StepStatus,
    Usage,
)
from flowrunner.core.vector import Vector
from flowrunner.db.apply import TaskContext
from flowrunner.db.pool import Conn


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
SELECT r.status, r.version, r.remaining, r.ready, r.tolerated, r.rejected, r.error,
       r.input_tokens, r.output_tokens, r.cost_microusd,
       m.flow, m.band, m.project_id, m.agent, m.model, m.input_ref, m.nonce,
       p.name AS project_name, p.root AS project_root,
       d.id AS definition_id, d.hash AS definition_hash, d.graph,
       (SELECT json_agg(json_build_array(s.step_no, s.status, s.attempt, s.failures, s.crashes,
                                         s.delayed, s.epoch, encode(s.prompt_ref, 'hex'),
                                         encode(s.output_ref, 'hex'), s.error, s.reason)
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
    steps: list[list[Any]] = named["steps"] or []
    state = RunState(
        graph=graph,
        status=RunStatus(named["status"]),
        version=named["version"],
        steps=Vector(_states(graph, steps)),
        remaining=named["remaining"],
        ready=named["ready"],
        tolerated=named["tolerated"],
        failure=failure_of(named["error"]),
        rejected=named["rejected"],
    )
    outputs = {step[0]: Ref(step[8]) for step in steps if step[8] is not None}
    errors = {step[0]: error for step in steps if (error := failure_of(step[9])) is not None}
    reasons = {step[0]: step[10] for step in steps if step[10] is not None}
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


def _states(graph: Graph, rows: Sequence[Sequence[Any]]) -> list[StepState]:
    """Read statuses; what a step still waits for follows from its needs and is not stored."""
    statuses = [StepStatus(row[1]) for row in rows]
    # A failure that did not end the run was tolerated, and satisfies like a completed step.
    satisfied = {StepStatus.COMPLETED, StepStatus.SKIPPED, StepStatus.EXCLUDED, StepStatus.FAILED}
    tolerant = [
        status in satisfied and (status is not StepStatus.FAILED or spec.on_fail is OnFail.TOLERATE)
        for status, spec in zip(statuses, graph.steps, strict=True)
    ]
    waiting = [sum(not tolerant[need] for need in spec.needs) for spec in graph.steps]
    return [
        _state(row, status, needed)
        for row, status, needed in zip(rows, statuses, waiting, strict=True)
    ]


def _state(row: Sequence[Any], status: StepStatus, waiting: int) -> StepState:
    _number, _status, attempt, failures, crashes, delayed, epoch, prompt, *_results = row
    return StepState(
        status=status,
        waiting=waiting,
        attempt=attempt,
        failures=failures,
        crashes=crashes,
        prompt=None if prompt is None else Ref(prompt),
        delayed=delayed,
        epoch=epoch,
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
