"""Everything that can happen to a run. A decision is a list of these; rows follow from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from flowrunner.core.model import Failure, Losses, Ref, Usage


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
    """The attempt is over and another follows after *delay_seconds*.

    One that is not *counted* is none of those that the step's policy allows: its provider's quota
    was used up (ADR 0021), or its answer broke the step's contract: then *prompt* says what was
    wrong, and is what the next attempts get. *partial* is what it had said; nobody takes it for an
    answer.
    """

    step: int
    attempt: int
    error: Failure
    delay_seconds: float
    epoch: int = 0
    usage: Usage = Usage()
    counted: bool = True
    record: Ref | None = None
    partial: Ref | None = None
    prompt: Ref | None = None


@dataclass(frozen=True, slots=True)
class StepCompleted:
    """*record* is how the attempt was run: shown to people, and no state depends on it."""

    step: int
    attempt: int
    output: Ref
    epoch: int = 0
    usage: Usage = Usage()
    losses: Losses = Losses()
    record: Ref | None = None


@dataclass(frozen=True, slots=True)
class StepFailed:
    """*tolerated*: the flow goes on without this step's result, degraded."""

    step: int
    attempt: int
    error: Failure
    tolerated: bool = False
    epoch: int = 0
    usage: Usage = Usage()
    record: Ref | None = None
    partial: Ref | None = None


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


@dataclass(frozen=True, slots=True)
class StepExpanded:
    """A step with `each` became children, one per key; long lists come in several such events.

    *first* is the number of this event's first child. *total* counts the whole list, *needed* of
    it must complete; *dropped* members were more than `max_items` allows and are not run.
    """

    step: int
    first: int
    keys: tuple[str, ...]
    items: Ref
    total: int
    needed: int
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class StepIterated:
    """A step with `repeat` begins iteration *iteration* as child number *child*."""

    step: int
    child: int
    iteration: int


@dataclass(frozen=True, slots=True)
class CallRequested:
    """A code step asked for an agent's answer: child number *child*, known by *key*."""

    step: int
    child: int
    key: str
    prompt: Ref
    persona: str | None = None
    max_attempts: int = 1
    total_seconds: float = 1800.0


@dataclass(frozen=True, slots=True)
class StepSlept:
    """A wait began; it ends after *seconds*."""

    step: int
    seconds: float


@dataclass(frozen=True, slots=True)
class StepDue:
    """A retry's delay is over while the run is paused: it goes on when the run does."""

    step: int


@dataclass(frozen=True, slots=True)
class ApprovalRequested:
    """A person is asked; *request* holds the question and form, *digest* names what is approved.

    *attempt* counts how often this step asked: a run that was sent back asks again.
    """

    step: int
    attempt: int
    request: Ref
    digest: str
    expires_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class ApprovalReminded:
    step: int
    count: int


@dataclass(frozen=True, slots=True)
class ApprovalDecided:
    """The first decision, which stands; what follows from it are the events after it.

    *answer* holds the decision as dependents see it: approved, actor, comment, values.
    """

    step: int
    approved: bool
    actor: str
    answer: Ref
    comment: str = ""
    then: str = ""
    """What a rejection means here: stop, continue or redo."""


@dataclass(frozen=True, slots=True)
class RunPaused:
    """Nothing new is offered; what is at work goes on."""

    reason: str
    actor: str


@dataclass(frozen=True, slots=True)
class RunResumed:
    reason: str
    actor: str


@dataclass(frozen=True, slots=True)
class RunRetried:
    """*steps* begin anew as the run's next generation; their attempts count on and stay readable.

    *reopened* are parents of some of them: they wait for their children again, whose other results
    stand.
    """

    generation: int
    steps: tuple[int, ...]
    reason: str
    actor: str
    from_step: str = ""
    reopened: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class RunRendered:
    """The report of an ended run was rendered again, or could not be: then *error* says why."""

    actor: str
    report: Ref | None = None
    outcome: str = ""
    error: Failure | None = None


StepEvent: TypeAlias = (
    StepDispatched
    | StepRetrying
    | StepCompleted
    | StepFailed
    | StepSkipped
    | StepCancelled
    | StepSlept
    | StepDue
    | StepExpanded
    | StepIterated
    | CallRequested
    | ApprovalRequested
    | ApprovalReminded
    | ApprovalDecided
)
RunEvent: TypeAlias = (
    RunStarted
    | RunFailing
    | RunRepaired
    | RunCompleted
    | RunFailed
    | RunCancelled
    | RunPaused
    | RunResumed
    | RunRetried
    | RunRendered
)
Event: TypeAlias = StepEvent | ResultRejected | RunEvent
