"""The nouns: what a run is at one instant. No prompts, no outputs: only references to them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType
from uuid import UUID

from flowrunner.core.graph import Graph
from flowrunner.core.vector import Vector

RunId = NewType("RunId", UUID)
Ref = NewType("Ref", str)
"""A payload's address: the SHA-256 of its bytes, in hex."""


class RunStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        return self in _RUN_ENDS


_RUN_ENDS = frozenset({RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED})


class StepStatus(StrEnum):
    EXCLUDED = "excluded"
    PENDING = "pending"
    RUNNING = "running"
    BLOCKED = "blocked"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        return self in _STEP_ENDS


_STEP_ENDS = frozenset(
    {
        StepStatus.EXCLUDED,
        StepStatus.COMPLETED,
        StepStatus.FAILED,
        StepStatus.SKIPPED,
        StepStatus.CANCELLED,
    }
)


class FailureClass(StrEnum):
    """What kind of failure it was decides whether it is tried again (DESIGN section 7)."""

    TRANSIENT = "transient"
    QUOTA = "quota"
    CONTRACT = "contract"
    FATAL = "fatal"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something failed: a stable code, words for a person, and the class that decides."""

    code: str
    message: str
    failure_class: FailureClass = FailureClass.FATAL


@dataclass(frozen=True, slots=True)
class Usage:
    """What an attempt consumed; money in millionths of a dollar."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost_microusd: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class StepState:
    """One step now. *waiting* counts needs that have not ended yet; *attempt* counts from 1."""

    status: StepStatus = StepStatus.PENDING
    waiting: int = 0
    attempt: int = 0
    failures: int = 0
    crashes: int = 0
    prompt: Ref | None = None
    delayed: bool = False
    """A retry timer holds the step back."""
    epoch: int = 0
    """The lease whose result was applied last: a repetition of it is a duplicate, not a zombie."""

    @property
    def is_ready(self) -> bool:
        """Nothing to wait for any more, and not offered yet."""
        return self.status is StepStatus.PENDING and self.waiting == 0 and not self.delayed

    @property
    def is_waited_for(self) -> bool:
        """Something outside will move the step: a task's end, an answer or a timer."""
        return self.delayed or self.status in {StepStatus.RUNNING, StepStatus.BLOCKED}


@dataclass(frozen=True, slots=True)
class RunState:
    """One run now; *version* is the sequence number of its last event (ADR 0002)."""

    graph: Graph
    status: RunStatus
    version: int
    steps: Vector[StepState]
    remaining: int
    """Steps that are not terminal."""
    ready: int = 0
    """Steps that are ready but not offered yet: someone is preparing them, or must."""
    tolerated: int = 0
    """Failed steps whose failure the flow tolerates: the run is degraded."""
    failure: Failure | None = None
    """Set once a step's failure (or the deadline) decided that the run fails."""
    rejected: int = 0
    """Results refused as late and recorded; see MAX_REJECTED."""


def unstarted(graph: Graph) -> RunState:
    """The state before the first event: every step pending, nothing decided."""
    steps = Vector(StepState(waiting=len(step.needs)) for step in graph.steps)
    ready = sum(1 for step in steps if step.is_ready)
    return RunState(graph, RunStatus.QUEUED, 0, steps, remaining=len(steps), ready=ready)


MAX_CRASHES = 3
"""Attempts lost with their worker before a task counts as poison and the step fails."""

MAX_REJECTED = 100
"""Late results recorded as events per run; beyond it they are only answered, so that a dispatcher
that repeats itself cannot grow the log."""
