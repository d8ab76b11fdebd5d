"""The shape of a flow: its steps and what each one needs. Immutable, shared by its runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

JsonObject: TypeAlias = dict[str, Any]


class StepKind(StrEnum):
    AGENT = "agent"
    CODE = "code"


class OnFail(StrEnum):
    """What a failed step means: the run fails, or it goes on and is marked degraded (R2-17)."""

    FAIL = "fail"
    TOLERATE = "tolerate"


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a failed attempt is tried again; only classes that may heal are retried."""

    max_attempts: int = 1
    base_seconds: float = 2.0
    cap_seconds: float = 300.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How long one attempt may take, and how long it may be silent; None = no idle limit."""

    total_seconds: float = 1800.0
    idle_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class StepSpec:
    """One step as the scheduler sees it; *needs* are step numbers."""

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


CODE_QUEUE = "code"


@dataclass(frozen=True, slots=True)
class Graph:
    """A validated flow graph. Steps are in flow order; their position is their number."""

    steps: tuple[StepSpec, ...]
    deadline_seconds: float | None = None
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
            "steps": [_step_to_json(step) for step in self.steps],
        }

    @classmethod
    def from_json(cls, value: JsonObject) -> Graph:
        steps = tuple(_step_from_json(step) for step in value["steps"])
        return cls(steps, value.get("deadline_seconds"))


def _step_to_json(step: StepSpec) -> JsonObject:
    return {
        "key": step.key,
        "kind": step.kind.value,
        "needs": list(step.needs),
        "persona": step.persona,
        "has_when": step.has_when,
        "on_fail": step.on_fail.value,
        "retry": [step.retry.max_attempts, step.retry.base_seconds, step.retry.cap_seconds],
        "limits": [step.limits.total_seconds, step.limits.idle_seconds],
        "queue": step.queue,
        "label": step.label,
    }


def _step_from_json(value: JsonObject) -> StepSpec:
    return StepSpec(
        key=value["key"],
        kind=StepKind(value["kind"]),
        needs=tuple(value["needs"]),
        persona=value["persona"],
        has_when=value["has_when"],
        on_fail=OnFail(value["on_fail"]),
        retry=RetryPolicy(*value["retry"]),
        limits=Limits(*value["limits"]),
        queue=value["queue"],
        label=value["label"],
    )


def label_of(key: str) -> str:
    """Show a step id to people: `find-bugs` becomes `Find Bugs` (R2-09)."""
    words = key.replace("-", " ").replace("_", " ").split()
    return " ".join(word[:1].upper() + word[1:] for word in words)
