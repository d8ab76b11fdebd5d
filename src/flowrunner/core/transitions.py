"""The two tables of allowed status changes. Everything else is a bug and is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from flowrunner.core.model import RunStatus, StepStatus

S = TypeVar("S", RunStatus, StepStatus)

STEP: Mapping[StepStatus, frozenset[StepStatus]] = {
    StepStatus.EXCLUDED: frozenset(),
    StepStatus.PENDING: frozenset(
        {
            StepStatus.RUNNING,
            StepStatus.SKIPPED,
            StepStatus.BLOCKED,
            StepStatus.COMPLETED,
            StepStatus.FAILED,
            StepStatus.CANCELLED,
        }
    ),
    StepStatus.RUNNING: frozenset(
        {StepStatus.COMPLETED, StepStatus.FAILED, StepStatus.CANCELLED, StepStatus.PENDING}
    ),
    StepStatus.BLOCKED: frozenset(
        {
            StepStatus.COMPLETED,
            StepStatus.FAILED,
            StepStatus.CANCELLED,
            StepStatus.PENDING,
        }
    ),
    # An end is final within a generation; a retry begins the next one.
    StepStatus.COMPLETED: frozenset({StepStatus.PENDING, StepStatus.BLOCKED}),
    StepStatus.FAILED: frozenset({StepStatus.PENDING, StepStatus.BLOCKED}),
    StepStatus.SKIPPED: frozenset({StepStatus.PENDING}),
    StepStatus.CANCELLED: frozenset({StepStatus.PENDING, StepStatus.BLOCKED}),
}

RUN: Mapping[RunStatus, frozenset[RunStatus]] = {
    RunStatus.QUEUED: frozenset({RunStatus.RUNNING, RunStatus.FAILED, RunStatus.CANCELLED}),
    RunStatus.RUNNING: frozenset(
        {RunStatus.PAUSED, RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED}
    ),
    RunStatus.PAUSED: frozenset({RunStatus.RUNNING, RunStatus.FAILED, RunStatus.CANCELLED}),
    RunStatus.COMPLETED: frozenset({RunStatus.RUNNING}),
    RunStatus.FAILED: frozenset({RunStatus.RUNNING}),
    RunStatus.CANCELLED: frozenset({RunStatus.RUNNING}),
}


def diagram(table: Mapping[S, frozenset[S]]) -> str:
    """Print a table as a Mermaid state diagram; the docs hold what this returns."""
    lines = ["stateDiagram-v2"]
    for before, afters in table.items():
        if before.is_terminal:
            lines.append(f"    {before} --> [*]")
        lines += [f"    {before} --> {after}" for after in sorted(afters)]
    return "\n".join(lines)
