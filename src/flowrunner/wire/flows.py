"""Flows as JSON: what can be launched, with which input, and what is wrong with the others."""

from __future__ import annotations

from typing import Any

from flowrunner.wire.base import ReplyModel
from flowrunner.wire.problems import ProblemEntry


class FlowRow(ReplyModel):
    """One flow in a list. A broken one is listed too, with its problems."""

    name: str
    title: str
    description: str
    bands: tuple[str, ...]
    step_count: int
    file: str
    valid: bool
    problems: tuple[ProblemEntry, ...] = ()


class FlowList(ReplyModel):
    """*problems* are those of files that belong to no flow, as personas."""

    items: tuple[FlowRow, ...]
    problems: tuple[ProblemEntry, ...] = ()


class FlowStep(ReplyModel):
    """*gated*: a condition at launch decides; *has_when*: one on results does."""

    step_no: int
    key: str
    label: str
    kind: str
    persona: str | None
    needs: tuple[str, ...]
    bands: tuple[str, ...]
    gated: bool
    has_when: bool
    on_fail: str
    queue: str
    max_attempts: int
    timeout_seconds: float


class FlowDetail(FlowRow):
    """One flow whole; *hash* changes when anything does that a run could notice."""

    hash: str
    input_schema: dict[str, Any]
    steps: tuple[FlowStep, ...]
    deadline_seconds: float | None
    accepts_auto: bool
