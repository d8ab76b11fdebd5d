"""A run's graph: what depends on what, and how each step stands."""

from __future__ import annotations

from uuid import UUID

from flowrunner.wire.base import ReplyModel
from flowrunner.wire.runs import ChildCounts, RunStatus, StepStatus


class GraphNode(ReplyModel):
    """A step of the flow; its children are counted and not drawn."""

    step_no: int
    key: str
    label: str
    kind: str
    status: StepStatus
    phase: str | None
    children: ChildCounts | None


class GraphEdge(ReplyModel):
    """*target* needs *source*."""

    source: str
    target: str


class RunGraph(ReplyModel):
    run_id: UUID
    flow: str
    status: RunStatus
    version: int
    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]
