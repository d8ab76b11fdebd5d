"""Two runs side by side."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

from pydantic import JsonValue

from flowrunner.wire.base import ReplyModel
from flowrunner.wire.runs import RunStatus, Spent, StepStatus

ChangeKind: TypeAlias = Literal["added", "removed", "changed"]


class DiffSide(ReplyModel):
    """*definition* is the hash of the flow as this run has it."""

    id: UUID
    flow: str
    band: str
    status: RunStatus
    outcome: str | None
    definition: str
    created_at: datetime
    finished_at: datetime | None
    seconds: float | None
    usage: Spent


class InputChange(ReplyModel):
    """One place of the input (a JSON pointer) where the runs differ."""

    pointer: str
    kind: ChangeKind
    a: JsonValue = None
    b: JsonValue = None


class StepSide(ReplyModel):
    status: StepStatus
    attempt: int
    seconds: float | None
    usage: Spent


class StepDiff(ReplyModel):
    """One step in both runs; None where a run has no such step."""

    key: str
    a: StepSide | None
    b: StepSide | None
    same_status: bool
    same_output: bool | None
    """None unless both have one."""


class FindingBrief(ReplyModel):
    """One result of a report's SARIF, known again by its fingerprint."""

    fingerprint: str
    rule: str
    level: str
    message: str
    file: str | None
    line: int | None


class FindingsDiff(ReplyModel):
    """*new* are only in *b*, *fixed* only in *a*."""

    new: tuple[FindingBrief, ...]
    fixed: tuple[FindingBrief, ...]
    same: tuple[FindingBrief, ...]


class Diff(ReplyModel):
    """From run *a* to run *b*. *findings* is None unless both reports have SARIF."""

    a: DiffSide
    b: DiffSide
    same_definition: bool
    inputs: tuple[InputChange, ...]
    steps: tuple[StepDiff, ...]
    findings: FindingsDiff | None
