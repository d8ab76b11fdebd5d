"""The shape of a flow: its steps and what each one needs. Immutable, shared by its runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass, field
from enum import StrEnum
from math import ceil
from typing import Any, TypeAlias

JsonObject: TypeAlias = dict[str, Any]


class StepKind(StrEnum):
    AGENT = "agent"
    CODE = "code"
    APPROVAL = "approval"
    WAIT = "wait"

    @property
    def is_offered(self) -> bool:
        """Whether it becomes a task that a worker claims."""
        return self in {StepKind.AGENT, StepKind.CODE}


class OnFail(StrEnum):
    """What a failed step means for its run (R2-17).

    All but FAIL let the run go on, degraded: with TOLERATE dependents see a typed failure, with
    SKIP they see nothing, with CASCADE they are skipped as well.
    """

    FAIL = "fail"
    TOLERATE = "tolerate"
    SKIP = "skip"
    CASCADE = "cascade"


class OnSkip(StrEnum):
    """Whether dependents of a skipped step run (R2-20) or are skipped with it."""

    SATISFY = "satisfy"
    CASCADE = "cascade"


class Trigger(StrEnum):
    """When a step may begin, by how its needs ended.

    ALL: each was satisfied (completed, skipped, excluded, or failed and tolerated). ANY: one has
    completed. NONE_FAILED: all ended and none failed. ALL_DONE: all ended, however.
    """

    ALL = "all"
    ANY = "any"
    NONE_FAILED = "none_failed"
    ALL_DONE = "all_done"


class Siblings(StrEnum):
    """What happens to the others when a step's failure ends the run (D2-07)."""

    STOP = "stop"
    DRAIN = "drain"


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a failed attempt is tried again; only *classes* that may heal are retried."""

    max_attempts: int = 1
    base_seconds: float = 2.0
    cap_seconds: float = 300.0
    classes: tuple[str, ...] = ("transient", "quota", "contract")


@dataclass(frozen=True, slots=True)
class Limits:
    """How long one attempt may take, be silent, or lie unclaimed; None = no such limit."""

    total_seconds: float = 1800.0
    idle_seconds: float | None = None
    queue_seconds: float | None = None


class Overflow(StrEnum):
    """What happens when a list is longer than `max_items`: fail, or take the first and say so."""

    FAIL = "fail"
    FIRST = "first"


@dataclass(frozen=True, slots=True)
class EachSpec:
    """A step that becomes one child per member of a list.

    *parallel* children are at work at once. *quorum_count* or *quorum_share* (0 < share <= 1) of
    them must complete; without either all must.
    """

    max_items: int = 1000
    overflow: Overflow = Overflow.FAIL
    quorum_count: int | None = None
    quorum_share: float | None = None
    parallel: int = 100

    def needed(self, total: int) -> int:
        """How many of *total* children must complete for the step to complete."""
        if self.quorum_count is not None:
            return self.quorum_count
        share = 1.0 if self.quorum_share is None else self.quorum_share
        return ceil(round(total * share, 9))


@dataclass(frozen=True, slots=True)
class RepeatSpec:
    """A step that is done again until its author's condition holds, *at_most* so many times."""

    at_most: int = 3
    fails_when_exhausted: bool = True


class Rejection(StrEnum):
    """What a rejected approval means: the run fails, goes on, or is redone from a step."""

    STOP = "stop"
    CONTINUE = "continue"
    REDO = "redo"


class Expiry(StrEnum):
    """What an approval that nobody decided in time becomes."""

    FAIL = "fail"
    APPROVE = "approve"
    CONTINUE = "continue"


@dataclass(frozen=True, slots=True)
class ApprovalSpec:
    """Who may decide (nobody named: anybody), until when, and what a rejection means.

    *redo_from* is a step number; *max_redos* bounds how often the run is sent back.
    """

    approvers: tuple[str, ...] = ()
    expires_seconds: float | None = None
    on_expiry: Expiry = Expiry.FAIL
    remind_seconds: float | None = None
    on_reject: Rejection = Rejection.STOP
    redo_from: int | None = None
    max_redos: int = 3


@dataclass(frozen=True, slots=True)
class StepSpec:
    """One step as the scheduler sees it; *needs* are step numbers.

    A child has a *parent*, and its place in the parent's list or loop as *item*.
    """

    key: str
    kind: StepKind
    needs: tuple[int, ...] = ()
    persona: str | None = None
    has_when: bool = False
    on_fail: OnFail = OnFail.FAIL
    retry: RetryPolicy = RetryPolicy()
    limits: Limits = Limits()
    queue: str = "default"
    label: str = ""
    trigger: Trigger = Trigger.ALL
    on_skip: OnSkip = OnSkip.SATISFY
    phase: str | None = None
    each: EachSpec | None = None
    repeat: RepeatSpec | None = None
    approval: ApprovalSpec | None = None
    parent: int | None = None
    item: int | None = None

    @property
    def has_children(self) -> bool:
        """Whether it is done by its children only; a code step with calls is at work itself."""
        return self.each is not None or self.repeat is not None


CODE_QUEUE = "code"


@dataclass(frozen=True, slots=True)
class Graph:
    """A validated flow graph. Steps are in flow order; their position is their number."""

    steps: tuple[StepSpec, ...]
    deadline_seconds: float | None = None
    siblings: Siblings = Siblings.STOP
    dependents: tuple[tuple[int, ...], ...] = field(init=False, compare=False, repr=False)
    numbers: Mapping[str, int] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        below: list[list[int]] = [[] for _ in self.steps]
        for number, step in enumerate(self.steps):
            for need in step.needs:
                below[need].append(number)
        object.__setattr__(self, "dependents", tuple(tuple(row) for row in below))
        object.__setattr__(self, "numbers", {step.key: n for n, step in enumerate(self.steps)})

    def number_of(self, key: str) -> int:
        """Raise KeyError when the flow has no such step."""
        return self.numbers[key]

    def to_json(self) -> JsonObject:
        """The canonical form that is hashed, stored and pinned; `from_json` is its inverse."""
        return {
            "deadline_seconds": self.deadline_seconds,
            "siblings": self.siblings.value,
            "steps": [_step_to_json(step) for step in self.steps],
        }

    @classmethod
    def from_json(cls, value: JsonObject) -> Graph:
        """Read a stored graph; what an older version did not know has its default."""
        steps = tuple(_step_from_json(step) for step in value["steps"])
        siblings = Siblings(value.get("siblings", Siblings.STOP))
        return cls(steps, value.get("deadline_seconds"), siblings)


def _step_to_json(step: StepSpec) -> JsonObject:
    shown: JsonObject = {
        "key": step.key,
        "kind": step.kind.value,
        "needs": list(step.needs),
        "persona": step.persona,
        "has_when": step.has_when,
        "on_fail": step.on_fail.value,
        "retry": list(astuple(step.retry)),
        "limits": list(astuple(step.limits)),
        "queue": step.queue,
        "label": step.label,
        "trigger": step.trigger.value,
        "on_skip": step.on_skip.value,
        "phase": step.phase,
    }
    for name in ("each", "repeat", "approval"):
        part = getattr(step, name)
        if part is not None:
            shown[name] = asdict(part)
    return shown


def _step_from_json(value: JsonObject) -> StepSpec:
    retry: list[Any] = value["retry"]
    each, repeat, approval = (value.get(name) for name in ("each", "repeat", "approval"))
    return StepSpec(
        key=value["key"],
        kind=StepKind(value["kind"]),
        needs=tuple(value["needs"]),
        persona=value["persona"],
        has_when=value["has_when"],
        on_fail=OnFail(value["on_fail"]),
        retry=RetryPolicy(*retry[:3], *(tuple(classes) for classes in retry[3:])),
        limits=Limits(*value["limits"]),
        queue=value["queue"],
        label=value["label"],
        trigger=Trigger(value.get("trigger", Trigger.ALL)),
        on_skip=OnSkip(value.get("on_skip", OnSkip.SATISFY)),
        phase=value.get("phase"),
        each=None if each is None else _each_from_json(each),
        repeat=None if repeat is None else RepeatSpec(**repeat),
        approval=None if approval is None else _approval_from_json(approval),
    )


def _each_from_json(value: JsonObject) -> EachSpec:
    rich: JsonObject = {**value, "overflow": Overflow(value["overflow"])}
    return EachSpec(**rich)


def _approval_from_json(value: JsonObject) -> ApprovalSpec:
    rich: JsonObject = {
        **value,
        "approvers": tuple(value["approvers"]),
        "on_expiry": Expiry(value["on_expiry"]),
        "on_reject": Rejection(value["on_reject"]),
    }
    return ApprovalSpec(**rich)


def label_of(key: str) -> str:
    """Show a step id to people: `find-bugs` becomes `Find Bugs` (R2-09)."""
    words = key.replace("-", " ").replace("_", " ").split()
    return " ".join(word[:1].upper() + word[1:] for word in words)
