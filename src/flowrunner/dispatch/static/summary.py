"""Says in words what was looked at and what was not; nobody may take it for a model's opinion."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flowrunner.dispatch.static.lenses import GENERAL, Lens
from flowrunner.dispatch.static.linter import ruff_version
from flowrunner.dispatch.static.sources import Source
from flowrunner.evidence.text import visible
from flowrunner.evidence.tree import Refusal

MAX_LENGTH = 4000
NAMES_SHOWN = 20

_WHOLE_FILE = re.compile(
    r"^\s*#\s*(?:ruff|flake8):\s*noqa\b(?!\s*:\s*[A-Z])", re.IGNORECASE | re.MULTILINE
)
_NOTHING_LOST = frozenset({Refusal.BINARY.value, Refusal.NOT_A_FILE.value})


@dataclass(frozen=True, slots=True)
class Told:
    """The numbers of one review; *cut* counts findings left out, by rule."""

    lens: Lens
    persona: str | None
    unchecked: Mapping[str, str]
    cut: Mapping[str, int]
    withheld: int

    @property
    def is_partial(self) -> bool:
        """Whether the answer is shorter than the truth: pictures and folders do not count."""
        lost = any(why not in _NOTHING_LOST for why in self.unchecked.values())
        return lost or bool(self.cut) or self.withheld > 0


def summarise(told: Told, sources: Sequence[Source], problem: str | None) -> str:
    """Return at most 4000 characters; every list that is shortened says by how much.

    One line per thing to be said: reports tell a line that several agents say only once.
    """
    parts = [f"No model was asked: this is ruff {ruff_version()} and plain checks."]
    if told.lens is GENERAL and told.persona:
        parts.append(f"There is no lens for {visible(told.persona)[:60]}; general checks only.")
    lost = [(path, why) for path, why in sorted(told.unchecked.items()) if why not in _NOTHING_LOST]
    if lost:
        names = [f"{visible(path)} ({why})" for path, why in lost]
        parts.append(f"Not checked: {_shortened(names)}.")
    if len(lost) < len(told.unchecked):
        parts.append(f"{len(told.unchecked) - len(lost)} binary files have no lines to check.")
    if told.cut:
        parts.append(
            f"Left out: {_shortened([f'{n} more {r}' for r, n in sorted(told.cut.items())])}."
        )
    if told.withheld:
        parts.append(f"{told.withheld} findings have no line that may be quoted.")
    if silent := [visible(s.path) for s in sources if _WHOLE_FILE.search(s.text)]:
        parts.append(f"Silenced as a whole by a comment to ruff: {_shortened(silent)}.")
    if problem:
        parts.append(f"Files were found by a walk: {visible(problem)}.")
    return _cut("\n".join(parts))


def _shortened(names: Sequence[str]) -> str:
    shown = ", ".join(name[:120] for name in names[:NAMES_SHOWN])
    more = len(names) - NAMES_SHOWN
    return f"{shown}, and {more} more" if more > 0 else shown


def _cut(text: str) -> str:
    return text if len(text) <= MAX_LENGTH else f"{text[: MAX_LENGTH - 6]} [cut]"
