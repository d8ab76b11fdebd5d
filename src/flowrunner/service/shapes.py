"""From rows to what the wire shows."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flowrunner.core.graph import Graph
from flowrunner.core.model import FailureClass, RunId
from flowrunner.db.attempts import AttemptLine
from flowrunner.db.pages import ReportLine, RunLine, RunPlace
from flowrunner.db.step_pages import StepLine
from flowrunner.wire.runs import (
    Attempt,
    ChildCounts,
    ErrorText,
    QuotaWait,
    ReportBody,
    Run,
    RunRow,
    Spent,
    StepRow,
    Tally,
)

_CHILD = re.compile(r"[\[/]")
_TRIED = {"queued": "offered", "retrying": "failed", "abandoned": "lost"}
_AS_STORED = (
    "step_no",
    "key",
    "kind",
    "persona",
    "status",
    "attempt",
    "failures",
    "crashes",
    "delayed",
    "reason",
    "dispatched_at",
    "started_at",
    "finished_at",
    "worker",
    "due_at",
    "parent",
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


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a step's row does not say: its flow, and how the flow's own steps stand."""

    run_id: RunId
    graph: Graph
    statuses: Mapping[int, str]


def step(line: StepLine, around: Surroundings) -> StepRow:
    graph = around.graph
    known = line.step_no < len(graph.steps)
    # A child is called by its parent's key and more: what it does not say itself, its root does.
    root = graph.steps[line.step_no if known else graph.number_of(_root(line.key))]
    needs = root.needs if known else ()
    still_open = [need for need in needs if around.statuses.get(need) not in _SATISFIED]
    waits = line.status == "pending"
    asks = line.kind == "approval" and line.status == "blocked"
    return StepRow.model_validate(
        {
            **{name: getattr(line, name) for name in _AS_STORED},
            "label": root.label,
            "needs": tuple(graph.steps[need].key for need in needs),
            "waiting_for": tuple(graph.steps[need].key for need in still_open) if waits else (),
            "error": _error(line.error),
            "usage": _spent(line),
            "quota": _quota(line),
            "phase": root.phase,
            "position": line.item_no,
            "children": _children(line),
            "approval": f"{around.run_id}.{line.step_no}.{line.attempt}" if asks else None,
        }
    )


def attempt(line: AttemptLine) -> Attempt:
    is_lost = (line.error or {}).get("failure_class") == "lost"
    status = "lost" if is_lost else _TRIED.get(line.status, line.status)
    spent = line.usage
    return Attempt.model_validate(
        {
            "attempt": line.attempt,
            "generation": line.generation,
            "status": status,
            "error": _error(line.error),
            "usage": {name: spent.get(name, 0) for name in Spent.model_fields},
            "dispatched_at": line.dispatched_at,
            "started_at": line.claimed_at,
            "finished_at": line.ended_at,
            "worker": line.worker,
            "has_prompt": line.prompt is not None,
            "has_output": line.output is not None,
            "counted": line.counted,
            "has_record": line.record is not None,
            "has_partial": line.partial is not None,
        }
    )


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
        "generation": line.generation,
        "questions": line.questions,
    }


def _quota(line: StepLine) -> QuotaWait | None:
    error = line.error or {}
    if not line.delayed or error.get("failure_class") != FailureClass.QUOTA:
        return None
    return QuotaWait(provider=error.get("provider"), until=line.due_at)


def _children(line: StepLine) -> ChildCounts | None:
    if line.total is None:
        return None
    return ChildCounts(
        total=line.total,
        live=line.live or 0,
        completed=line.completed or 0,
        failed=line.failed or 0,
    )


def _root(key: str) -> str:
    return _CHILD.split(key, maxsplit=1)[0]


def _spent(line: RunLine | StepLine) -> Spent:
    return Spent(
        input_tokens=line.input_tokens,
        output_tokens=line.output_tokens,
        cost_microusd=line.cost_microusd,
    )


def _error(stored: dict[str, Any] | None) -> ErrorText | None:
    return None if stored is None else ErrorText(code=stored["code"], message=stored["message"])
