"""From rows to what the wire shows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from flowrunner.core.graph import Graph
from flowrunner.core.model import RunId
from flowrunner.db.pages import ReportLine, RunLine, RunPlace, StepLine
from flowrunner.wire.runs import (
    ErrorText,
    ReportBody,
    Run,
    RunRow,
    Spent,
    StepList,
    StepRow,
    Tally,
)

_SATISFIED = frozenset({"excluded", "completed", "skipped", "failed", "cancelled"})


def run_row(line: RunLine) -> RunRow:
    return RunRow.model_validate(_row(line))


def run(line: RunLine, place: RunPlace) -> Run:
    return Run.model_validate(
        _row(line)
        | {
            "version": place.version,
            "project_root": place.project_root,
            "agent": place.agent,
            "model": place.model,
            "definition": place.definition,
            "input": json.loads(place.input),
            "has_report": place.has_report,
            "updated_at": place.updated_at,
        }
    )


def step_list(lines: Sequence[StepLine], graph: Graph) -> StepList:
    statuses = {line.step_no: line.status for line in lines}
    return StepList(items=tuple(_step(line, graph, statuses) for line in lines))


def report(run_id: RunId, line: ReportLine, stored: dict[str, Any]) -> ReportBody:
    return ReportBody.model_validate(
        {
            "run_id": run_id,
            "flow": line.flow,
            "status": line.status,
            "partial": line.status != "completed",
            "outcome": stored["outcome"],
            "markdown": stored["markdown"],
            "data": stored["data"],
        }
    )


def _row(line: RunLine) -> dict[str, Any]:
    return {
        "id": line.id,
        "flow": line.flow,
        "band": line.band,
        "status": line.status,
        "degraded": line.tolerated > 0,
        "outcome": line.outcome,
        "title": line.title,
        "labels": line.labels,
        "project": line.project,
        "launched_by": line.launched_by,
        "trigger": line.trigger,
        "created_at": line.created_at,
        "finished_at": line.finished_at,
        "steps": Tally(
            total=line.steps_total,
            done=line.steps_done,
            failed=line.steps_failed,
            running=line.steps_running,
        ),
        "usage": _spent(line),
        "error": _error(line.error),
    }


def _step(line: StepLine, graph: Graph, statuses: dict[int, str]) -> StepRow:
    spec = graph.steps[line.step_no]
    open_needs = [need for need in spec.needs if statuses.get(need) not in _SATISFIED]
    waits = line.status == "pending"
    return StepRow.model_validate(
        {
            "step_no": line.step_no,
            "key": line.key,
            "label": spec.label,
            "kind": line.kind,
            "persona": line.persona,
            "status": line.status,
            "attempt": line.attempt,
            "failures": line.failures,
            "crashes": line.crashes,
            "delayed": line.delayed,
            "needs": tuple(graph.steps[need].key for need in spec.needs),
            "waiting_for": tuple(graph.steps[need].key for need in open_needs) if waits else (),
            "reason": line.reason,
            "error": _error(line.error),
            "usage": _spent(line),
            "dispatched_at": line.dispatched_at,
            "started_at": line.started_at,
            "finished_at": line.finished_at,
            "worker": line.worker,
        }
    )


def _spent(line: RunLine | StepLine) -> Spent:
    return Spent(
        input_tokens=line.input_tokens,
        output_tokens=line.output_tokens,
        cost_microusd=line.cost_microusd,
    )


def _error(stored: dict[str, Any] | None) -> ErrorText | None:
    return None if stored is None else ErrorText(code=stored["code"], message=stored["message"])
