"""The steps above a line of a flow file: what a function written there may name."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from flowrunner.core.errors import Problem
from flowrunner.core.validation import closest
from flowrunner.definitions.authoring import Part

SHOWN_STEPS = 12
OF_A_REPEAT = frozenset({"previous", "iteration"})


@dataclass(frozen=True, slots=True)
class Producer:
    """A step as those below it see it; *gives* is the type of its result."""

    id: str
    kind: str
    gives: object = Any
    form: type[BaseModel] | None = None
    file: str | None = None
    line: int | None = None

    @property
    def place(self) -> str:
        """File and line, without the folder: the reader knows the flow."""
        return place_of(self.file, self.line)

    def __str__(self) -> str:
        return f"step '{self.id}' ({self.place})" if self.place else f"step '{self.id}'"


def place_of(file: str | None, line: int | None) -> str:
    """Return `review.py:11`, or what of it is known."""
    parts = (Path(file).name if file else None, line)
    return ":".join(str(part) for part in parts if part is not None)


@dataclass(slots=True)
class Scope:
    """The steps so far, in order; *below* are the parts that come later, for hints only."""

    flow: str
    below: list[Part]
    steps: dict[str, Producer] = field(default_factory=dict[str, Producer])
    _written: dict[int, str] = field(default_factory=dict[int, str])
    _order: dict[str, int] = field(default_factory=dict[str, int])
    _names: dict[str, str] = field(default_factory=dict[str, str])

    def add(self, step: Producer, function: Callable[..., object] | None = None) -> None:
        """Let the lines below name *step*, by its id or by *function*."""
        self.steps[step.id] = step
        self._order.setdefault(step.id, len(self._order))
        self._names.setdefault(step.id.replace("-", "_"), step.id)
        if function is not None:
            self._written[id(function)] = step.id

    def find(self, name: str) -> Producer | None:
        """Return the step of that id; a parameter cannot hold hyphens, so `_` may stand for one."""
        key = name if name in self.steps else self._names.get(name)
        return None if key is None else self.steps[key]

    def written_as(self, function: object) -> Producer | None:
        """Return the step that *function* was written as."""
        key = self._written.get(id(function))
        return None if key is None else self.steps[key]

    def refer(self, step: object) -> Producer | None:
        """Return the step that is meant by an id or a function."""
        return self.find(step) if isinstance(step, str) else self.written_as(step)

    def in_order(self, ids: Collection[str]) -> tuple[str, ...]:
        """Sort as the flow is written, each once."""
        return tuple(sorted(set(ids), key=lambda key: self._order[key]))

    def is_close(self, name: str) -> bool:
        """Tell whether *name* may be a step that was misspelt, or is used too early."""
        return closest(name, self.steps.keys()) is not None or self._part_below(name) is not None

    def unknown(self, who: str, name: str, file: str | None, line: int | None) -> Problem:
        """Say that *who* names a step that is not there, and which are."""
        message = f"{who} needs '{name}', but flow '{self.flow}' has no step '{name}' above"
        later = self._part_below(name)
        told = closest(name, self.steps.keys())
        if told is None and name in OF_A_REPEAT:
            told = f"only a step with repeat= is told '{name}';"
        if later is not None:
            told = f"'{name}' is defined below, at {place_of(later.file, later.line)};"
        hint = " ".join(part for part in (told, self._so_far()) if part)
        return Problem("unknown-dependency", f"{message} this line", file, line, hint=hint)

    def _so_far(self) -> str:
        if not self.steps:
            return "there are no steps so far"
        shown = list(self.steps)[:SHOWN_STEPS]
        rest = len(self.steps) - len(shown)
        more = f" and {rest} more" if rest else ""
        return f"steps so far: {', '.join(shown)}{more}"

    def _part_below(self, name: str) -> Part | None:
        same = (part for part in self.below if str(part.id).replace("-", "_") == name)
        return next(same, None)
