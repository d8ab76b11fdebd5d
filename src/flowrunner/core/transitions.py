"""The two tables of allowed status changes. Everything else is a bug and is refused."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from flowrunner.core.model import RunStatus, StepStatus

S = TypeVar("S", bound=StrEnum)

STEP: Mapping[StepStatus, frozenset[StepStatus]] = {
    StepStatus.EXCLUDED: frozenset(),
    StepStatus.PENDING: frozenset(
        {
            StepStatus.RUNNING,
            StepStatus.SKIPPED,
            StepStatus.BLOCKED,
            StepStatus.FAILED,
            StepStatus.CANCELLED,
        }
    ),
    StepStatus.RUNNING: frozenset(
        {StepStatus.COMPLETED, StepStatus.FAILED, StepStatus.CANCELLED, StepStatus.PENDING}
    ),
    StepStatus.BLOCKED: frozenset(
        {StepStatus.COMPLETED, StepStatus.FAILED, StepStatus.SKIPPED, StepStatus.CANCELLED}
    ),
    StepStatus.COMPLETED: frozenset(),
    StepStatus.FAILED: frozenset(),
    StepStatus.SKIPPED: frozenset(),
    StepStatus.CANCELLED: frozenset(),
}

RUN: Mapping[RunStatus, frozenset[RunStatus]] = {
    RunStatus.QUEUED: frozenset({RunStatus.RUNNING, RunStatus.FAILED, RunStatus.CANCELLED}),
    RunStatus.RUNNING: frozenset(
        {RunStatus.PAUSED, RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED}
    ),
    RunStatus.PAUSED: frozenset({RunStatus.RUNNING, RunStatus.FAILED, RunStatus.CANCELLED}),
    RunStatus.COMPLETED: frozenset(),
    RunStatus.FAILED: frozenset(),
    RunStatus.CANCELLED: frozenset(),
}


def diagram(table: Mapping[S, frozenset[S]]) -> str:
    """Print a table as a Mermaid state diagram; the docs hold what this returns."""
    lines = ["stateDiagram-v2"]
    for before, afters in table.items():
        if not afters:
            lines.append(f"    {before} --> [*]")
        lines += [f"    {before} --> {after}" for after in sorted(afters)]
    return "\n".join(lines)
