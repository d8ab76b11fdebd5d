"""Everything a run may be told. What comes too late is answered LATE and changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from flowrunner.core.model import Failure, Ref, Usage


@dataclass(frozen=True, slots=True)
class Succeeded:
    output: Ref
    usage: Usage = Usage()


@dataclass(frozen=True, slots=True)
class Errored:
    error: Failure
    usage: Usage = Usage()


@dataclass(frozen=True, slots=True)
class Stopped:
    """The agent was stopped by hand: that one, not the run (R2-40)."""

    reason: str


Outcome: TypeAlias = Succeeded | Errored | Stopped


@dataclass(frozen=True, slots=True)
class Launched:
    """The run begins; gates were evaluated before, excluded steps carry the reason (R2-06)."""

    flow: str
    band: str
    definition: str
    excluded: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class TaskSettled:
    """A terminal callback for one lease; the epoch is what fences it."""

    step: int
    attempt: int
    epoch: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class TaskLost:
    """The lease's holder is dead or gave no sign for too long."""

    step: int
    attempt: int
    epoch: int
    reason: str


@dataclass(frozen=True, slots=True)
class GuardEvaluated:
    """The answer to a `when` that said no, or could not be evaluated."""

    step: int
    answer: bool | Failure


@dataclass(frozen=True, slots=True)
class PromptBuilt:
    """The step's `when` said yes and its prompt is stored, or building it failed (D2-05)."""

    step: int
    answer: Ref | Failure


class TimerKind(StrEnum):
    RETRY = "retry"
    RUN_DEADLINE = "run_deadline"


RUN_LEVEL = -1
"""The step number of timers that belong to the run as a whole."""


@dataclass(frozen=True, slots=True)
class TimerFired:
    kind: TimerKind
    step: int
    token: int


@dataclass(frozen=True, slots=True)
class CancelRequested:
    reason: str
    actor: str


@dataclass(frozen=True, slots=True)
class ReportRendered:
    """The report is stored at *answer*, or rendering failed (R2-45)."""

    answer: Ref | Failure
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class StallFound:
    """The detector saw a run that waits for nothing (P4).

    *missing* steps run without a task, or are delayed without a timer.
    """

    reason: str
    missing: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Rejected:
    """A result that the database refused as stale: to be recorded, not applied."""

    step: int
    attempt: int
    epoch: int
    outcome: str


Input: TypeAlias = (
    Launched
    | TaskSettled
    | TaskLost
    | GuardEvaluated
    | PromptBuilt
    | TimerFired
    | CancelRequested
    | ReportRendered
    | StallFound
    | Rejected
)
