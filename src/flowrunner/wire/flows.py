"""Flows as JSON: what can be launched, with which input, and what is wrong with the others."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from flowrunner.wire.base import ReplyModel, RequestModel
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
    """*gated*: a condition at launch decides; *has_when*: one on results does.

    *has_each*: it is one child per member of a list; *has_repeat*: it is done again and again.
    """

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
    phase: str | None = None
    trigger: str = "all"
    on_skip: str = "satisfy"
    has_each: bool = False
    has_repeat: bool = False


class FlowDetail(FlowRow):
    """One flow whole; *hash* changes when anything does that a run could notice.

    *yaml* is the text of a flow that is written in YAML.
    """

    hash: str
    input_schema: dict[str, Any]
    steps: tuple[FlowStep, ...]
    deadline_seconds: float | None
    accepts_auto: bool
    phases: tuple[str, ...] = ()
    siblings: str = "stop"
    yaml: str | None = None


class FlowNode(ReplyModel):
    """A step in a picture: *column* and *row* are where it stands, from 0."""

    key: str
    note: str
    phase: str | None
    column: int
    row: int


class FlowEdge(ReplyModel):
    """*step* begins after *need* has ended."""

    need: str
    step: str


class FlowGraph(ReplyModel):
    """A flow's graph, laid out in *columns* from left to right.

    A very large one is cut: its last node then says how many more there are.
    """

    flow: str
    nodes: tuple[FlowNode, ...]
    edges: tuple[FlowEdge, ...]
    columns: int
    rows: int


class ValidateBody(RequestModel):
    """The text of a YAML flow; *file* is what its problems call it."""

    text: str = Field(max_length=500_000)
    file: str = Field(default="flow.flow.yaml", max_length=1000, pattern=r"\.flow\.yaml$")


class FlowError(ReplyModel):
    """One thing that is wrong with a flow, and where."""

    file: str | None
    line: int | None
    column: int | None
    code: str
    message: str
    hint: str | None


class Validation(ReplyModel):
    """*errors* are all at once; without one the flow can be launched."""

    valid: bool
    errors: tuple[FlowError, ...] = ()
