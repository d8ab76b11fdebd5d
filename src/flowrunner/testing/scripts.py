"""What agents and people say in a rehearsal."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, cast

from pydantic_core import to_jsonable_python

from flowrunner.core.graph import StepSpec
from flowrunner.testing.told import UnscriptedError
from flowrunner.wire.tasks import FailureClass

SECONDS_PER_ANSWER = 1.0
"""How long an agent takes on the rehearsal's own clock, unless its script says so."""


@dataclass(frozen=True, slots=True)
class Fails:
    """An agent that fails; the class decides whether its step's policy tries again."""

    message: str = "the agent failed"
    code: str = "agent_failed"
    failure_class: FailureClass = "fatal"


@dataclass(frozen=True, slots=True)
class Takes:
    """An answer that comes after *seconds* of the rehearsal's own clock."""

    seconds: float
    answer: object


@dataclass(frozen=True, slots=True)
class Approve:
    values: Mapping[str, Any] = field(default_factory=dict[str, Any])
    comment: str = ""
    actor: str = "tester"
    seconds: float = SECONDS_PER_ANSWER


@dataclass(frozen=True, slots=True)
class Reject:
    comment: str = "no"
    then: Literal["", "stop", "continue", "redo"] = ""
    actor: str = "tester"
    seconds: float = SECONDS_PER_ANSWER


def approve(**values: Any) -> Approve:
    """Approve with these values of the form."""
    return Approve(values)


def reject(comment: str = "no", then: Literal["", "stop", "continue", "redo"] = "") -> Reject:
    return Reject(comment, then)


AgentScript: TypeAlias = Any
"""Text; JSON or a model; `Fails`; `Takes`; a list of these, one per try, whose last one stays; or a
function of the prompt that returns any of these."""
ApprovalScript: TypeAlias = Approve | Reject | Sequence[Approve | Reject]


class Agents:
    """Finds the script of a step: by its key, its parent's, its persona, or "*"."""

    def __init__(
        self, scripts: Mapping[str, AgentScript], default: Callable[[StepSpec], object] | None
    ) -> None:
        self._scripts = scripts
        self._default = default
        self._tries: Counter[str] = Counter()
        self.used: set[str] = set()

    def answer(self, spec: StepSpec, parent: str | None, prompt: str) -> Takes:
        """What the agent of this try says. Raises UnscriptedError when nobody wrote that."""
        self._tries[spec.key] += 1
        names = [spec.key, parent, spec.persona, "*"]
        name = next((name for name in names if name is not None and name in self._scripts), None)
        if name is not None:
            self.used.add(name)
            said: object = self._scripts[name]
        elif self._default is not None:
            said = self._default(spec)
        else:
            known = ", ".join(sorted(self._scripts)) or "none"
            raise UnscriptedError(f"nobody says what step '{spec.key}' answers; scripts: {known}")
        return _taken(said, self._tries[spec.key], prompt)


def _taken(said: Any, tries: int, prompt: str) -> Takes:
    if isinstance(said, list | tuple):
        several = cast("Sequence[Any]", said)
        if not several:
            raise UnscriptedError("an empty list says nothing")
        said = several[min(tries, len(several)) - 1]
    if callable(said):
        said = said(prompt)
    return said if isinstance(said, Takes) else Takes(SECONDS_PER_ANSWER, said)


def written(answer: object) -> str:
    """An answer as the agent would print it: text as it is, anything else as JSON."""
    if isinstance(answer, str):
        return answer
    return json.dumps(to_jsonable_python(answer), ensure_ascii=False)
