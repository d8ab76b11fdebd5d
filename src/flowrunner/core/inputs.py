"""Everything a run may be told. What comes too late is answered LATE and changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from flowrunner.core.model import Failure, Losses, Ref, Usage


@dataclass(frozen=True, slots=True)
class Repair:
    """At most *most* answers are sent back; *prompt* asks for the next one, if it can be asked."""

    most: int
    prompt: Ref | None = None


@dataclass(frozen=True, slots=True)
class Succeeded:
    output: Ref
    usage: Usage = Usage()
    losses: Losses = Losses()
    record: Ref | None = None


@dataclass(frozen=True, slots=True)
class Errored:
    """*record* is how the attempt was run, *partial* what it had said: kept, and no answer.

    *pause_seconds* is how long its provider says that it answers nobody, None if it does not say.
    *repair* is how the agent may be asked again, where its answer broke the step's contract.
    """

    error: Failure
    usage: Usage = Usage()
    record: Ref | None = None
    partial: Ref | None = None
    pause_seconds: float | None = None
    repair: Repair | None = None


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
    """The lease's holder is dead or gave no sign for too long; or it could not even begin.

    What was *handed_back* is no crash: the holder is well, and so may the task be.
    """

    step: int
    attempt: int
    epoch: int
    reason: str
    handed_back: bool = False


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


@dataclass(frozen=True, slots=True)
class Expanded:
    """The list of a step with `each`: its members' keys in order, stored at *items*."""

    step: int
    keys: tuple[str, ...]
    items: Ref


@dataclass(frozen=True, slots=True)
class WaitSet:
    """How long a wait step waits, from now on."""

    step: int
    seconds: float


@dataclass(frozen=True, slots=True)
class ApprovalBuilt:
    """The question of an approval step; *digest* covers it and the results that it is about."""

    step: int
    request: Ref
    digest: str


@dataclass(frozen=True, slots=True)
class Gathered:
    """The results of a step's children as one list, in order; asked for once all have ended."""

    step: int
    answer: Ref | Failure


@dataclass(frozen=True, slots=True)
class LoopJudged:
    """Whether a step with `repeat` is done after *iteration*, whose result is at *output*."""

    step: int
    iteration: int
    answer: bool | Failure
    output: Ref | None = None


@dataclass(frozen=True, slots=True)
class CallAsked:
    """A code step's attempt asks for an agent's answer; known keys are asked once (D2-13)."""

    step: int
    attempt: int
    epoch: int
    key: str
    prompt: Ref
    persona: str | None = None
    max_attempts: int = 1
    total_seconds: float = 1800.0


@dataclass(frozen=True, slots=True)
class ApprovalGiven:
    """A person's decision on what was asked the *attempt*th time; a later question is another one.

    *then* says what a rejection means, "" for what the flow says; *answer* holds the decision as
    dependents see it.
    """

    step: int
    attempt: int
    approved: bool
    actor: str
    answer: Ref
    comment: str = ""
    then: str = ""


@dataclass(frozen=True, slots=True)
class PauseRequested:
    reason: str
    actor: str


@dataclass(frozen=True, slots=True)
class ResumeRequested:
    reason: str
    actor: str


@dataclass(frozen=True, slots=True)
class RetryRequested:
    """Begin an ended run anew: from *from_step* on, or (None) all that failed or was cancelled."""

    reason: str
    actor: str
    from_step: int | None = None


@dataclass(frozen=True, slots=True)
class StopRequested:
    """End one step's work: it fails as `stopped`, and its `on_fail` says what that means."""

    step: int
    reason: str
    actor: str


@dataclass(frozen=True, slots=True)
class RenderRequested:
    """Render the report of an ended run again."""

    actor: str


class TimerKind(StrEnum):
    RETRY = "retry"
    RUN_DEADLINE = "run_deadline"
    QUEUE = "queue"
    WAKE = "wake"
    EXPIRY = "expiry"
    REMINDER = "reminder"


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
    actor: str = ""
    """Who asked for it, when the run had ended before."""


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
    | Expanded
    | WaitSet
    | ApprovalBuilt
    | Gathered
    | LoopJudged
    | CallAsked
    | ApprovalGiven
    | PauseRequested
    | ResumeRequested
    | RetryRequested
    | StopRequested
    | RenderRequested
    | TimerFired
    | CancelRequested
    | ReportRendered
    | StallFound
    | Rejected
)
