"""Which events of a run are wanted; places in its log are the same with and without."""

from __future__ import annotations

from dataclasses import dataclass

from flowrunner.wire.events import Event

_ALL_OF = ".*"


@dataclass(frozen=True, slots=True)
class Sieve:
    """*types* are names of events, or `run.*` for all of a kind; *step* is a key. Empty: all."""

    types: tuple[str, ...] = ()
    step: str | None = None

    @property
    def is_open(self) -> bool:
        return not self.types and self.step is None

    def lets(self, event: Event) -> bool:
        """Whether the event is wanted."""
        if self.step is not None and event.key != self.step:
            return False
        return not self.types or any(_is_of(event.type, each) for each in self.types)


def _is_of(name: str, wanted: str) -> bool:
    if wanted.endswith(_ALL_OF):
        return name.startswith(wanted.removesuffix("*"))
    return name == wanted
