"""Everything that can happen to a run. A decision is a list of these; rows follow from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from flowrunner.core.model import Failure, Ref, Usage


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The run exists; excluded steps are terminal from the start, each with its reason."""

    flow: str
    band: str
    definition: str
    excluded: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class StepDispatched:
    """A task was offered: attempt *attempt*, with the prompt at *prompt* (agents only)."""

    step: int
    attempt: int
    prompt: Ref | None = None


@dataclass(frozen=True, slots=True)
class StepRetrying:
    """The attempt is over and another follows after *delay_seconds*."""

    step: int
    attempt: int
    error: Failure
    delay_seconds: float
    epoch: int = 0
    usage: Usage = Usage()


@dataclass(frozen=True, slots=True)
class StepCompleted:
    step: int
    attempt: int
    output: Ref
    epoch: int = 0
    usage: Usage = Usage()


@dataclass(frozen=True, slots=True)
class StepFailed:
    """*tolerated*: the flow goes on without this step's result, degraded."""

    step: int
    attempt: int
    error: Failure
    tolerated: bool = False
    epoch: int = 0
    usage: Usage = Usage()


@dataclass(frozen=True, slots=True)
class StepSkipped:
    step: int
    reason: str


@dataclass(frozen=True, slots=True)
class StepCancelled:
    step: int
    reason: str
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class ResultRejected:
    """A result came too late or from a lost lease: kept for the record, changes nothing (P2)."""

    step: int
    attempt: int
    epoch: int
    outcome: str


@dataclass(frozen=True, slots=True)
class RunFailing:
    """The run is going to fail for a reason that is no step's: its deadline (R2-22 target)."""

    error: Failure


@dataclass(frozen=True, slots=True)
class RunRepaired:
    """The stall detector found a run without a next cause to move and gave it one (P4)."""

    reason: str


@dataclass(frozen=True, slots=True)
class RunCompleted:
    outcome: str
    report: Ref
    degraded: bool = False


@dataclass(frozen=True, slots=True)
class RunFailed:
    """*report* is the partial report, if one could be rendered (D2-32)."""

    error: Failure
    report: Ref | None = None


@dataclass(frozen=True, slots=True)
class RunCancelled:
    reason: str
    actor: str


StepEvent: TypeAlias = (
    StepDispatched | StepRetrying | StepCompleted | StepFailed | StepSkipped | StepCancelled
)
RunEvent: TypeAlias = (
    RunStarted | RunFailing | RunRepaired | RunCompleted | RunFailed | RunCancelled
)
Event: TypeAlias = StepEvent | ResultRejected | RunEvent
