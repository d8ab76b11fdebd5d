"""The nouns: what a run is at one instant. No prompts, no outputs: only references to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, NewType
from uuid import UUID

from flowrunner.core.graph import Graph, StepSpec, Trigger
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


class Opening(StrEnum):
    """Whether a step may begin, as far as its needs go."""

    SHUT = "shut"
    OPEN = "open"
    NEVER = "never"


def opening(trigger: Trigger, waiting: int, done: int, bad: int, cut: int) -> Opening:
    """Tell from how a step's needs ended whether it may begin; it may be open before all ended."""
    match trigger:
        case Trigger.ALL_DONE:
            is_open, is_lost = waiting == 0, False
        case Trigger.ANY:
            # With nothing failed there may have been nothing to do: skips satisfy (R2-20).
            is_open, is_lost = done > 0 or (waiting == 0 and bad + cut == 0), waiting == 0
        case Trigger.NONE_FAILED:
            # A failure alone decides nothing before all have ended: whether the step takes along
            # what follows it must not depend on which of its needs ended first (I5).
            is_open, is_lost = waiting == 0 and bad + cut == 0, waiting == 0 or cut > 0
        case Trigger.ALL:
            is_open, is_lost = waiting == 0 and cut == 0, cut > 0
    if is_open:
        return Opening.OPEN
    return Opening.NEVER if is_lost else Opening.SHUT


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
    hint: str = ""
    """What to do about it, where somebody knew."""
    provider: str = ""
    """Whose quota is used up, where that is why."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What an attempt consumed; money in millionths of a dollar."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost_microusd: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Losses:
    """What was lost of an output before it was stored: cut off, or not to be written (P11)."""

    truncated_bytes: int = 0
    replaced_count: int = 0


class Family(NamedTuple):
    """The children of a step, counted; they are steps of their own, numbered from *first* on.

    Those of a list stand side by side; iterations and calls may not, and are found by name in
    *calls*. *released* children of a list were let go, the others wait for their turn.
    """

    first: int = 0
    size: int = 0
    live: int = 0
    completed: int = 0
    failed: int = 0
    released: int = 0
    needed: int = 0
    """How many must complete for the step to complete."""
    items: Ref | None = None
    """The list that the children of a step with `each` were made from."""
    calls: tuple[tuple[str, int], ...] = ()


class StepState(NamedTuple):
    """One step now. *waiting* counts needs that have not ended yet; *attempt* counts from 1.

    Of the needs that have ended, *done* completed, *bad* failed and *cut* ended such that this
    step must not run unless its trigger is ALL_DONE.

    Every result makes several new ones: a tuple is copied five times as fast as a dataclass.
    """

    status: StepStatus = StepStatus.PENDING
    waiting: int = 0
    done: int = 0
    bad: int = 0
    cut: int = 0
    opening: Opening = Opening.SHUT
    attempt: int = 0
    failures: int = 0
    crashes: int = 0
    prompt: Ref | None = None
    delayed: bool = False
    """A retry timer holds the step back."""
    epoch: int = 0
    """The lease whose result was applied last: a repetition of it is a duplicate, not a zombie."""
    cascades: bool = False
    """It ended such that its dependents are skipped."""
    redos: int = 0
    """How often a rejection of this approval sent the run back, or an agent's answer was."""
    family: Family | None = None

    @property
    def is_ready(self) -> bool:
        """Nothing to wait for any more, and not offered yet."""
        return (
            self.status is StepStatus.PENDING and self.opening is Opening.OPEN and not self.delayed
        )

    @property
    def is_cut(self) -> bool:
        """It can never begin because something took it along; so it takes along what follows."""
        return self.opening is Opening.NEVER and self.cut > 0

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
    children: Vector[StepSpec] = field(default_factory=Vector[StepSpec])
    """What the graph does not know: members of lists, iterations and calls, in order of number."""
    generation: int = 1
    """Counts how often the run was begun: each retry of an ended run adds one."""

    def spec(self, number: int) -> StepSpec:
        """What step *number* is, whether the graph holds it or it came later."""
        size = len(self.graph.steps)
        return self.graph.steps[number] if number < size else self.children[number - size]

    def specs(self) -> Iterator[StepSpec]:
        """Every step's specification, in order of number."""
        yield from self.graph.steps
        yield from self.children

    def dependents(self, number: int) -> tuple[int, ...]:
        """The steps that need step *number*; nobody needs a child but through its parent."""
        return self.graph.dependents[number] if number < len(self.graph.steps) else ()


def unstarted(graph: Graph) -> RunState:
    """The state before the first event: every step pending, nothing decided."""
    steps = Vector(
        StepState(waiting=len(step.needs), opening=opening(step.trigger, len(step.needs), 0, 0, 0))
        for step in graph.steps
    )
    ready = sum(1 for step in steps if step.is_ready)
    return RunState(graph, RunStatus.QUEUED, 0, steps, remaining=len(steps), ready=ready)


HANDED_BACK = "handed_back"
"""The code of an attempt that its worker could not begin: it counts as no crash."""

MAX_CRASHES = 3
"""Attempts lost with their worker before a task counts as poison and the step fails."""

MAX_REJECTED = 100
"""Late results recorded as events per run; beyond it they are only answered, so that a dispatcher
that repeats itself cannot grow the log."""
