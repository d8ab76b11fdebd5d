"""What must be committed: events, the guards they depend on, timers, and what to ask next."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from flowrunner.core.events import Event
from flowrunner.core.inputs import TimerKind


@dataclass(frozen=True, slots=True)
class LeaseGuard:
    """The commit holds only while this lease is the live one (P2).

    Epoch 0: only while the task lies offered and nobody holds it.
    """

    step: int
    attempt: int
    epoch: int


@dataclass(frozen=True, slots=True)
class TimerGuard:
    """The commit holds only while this timer stands, and takes it away."""

    kind: TimerKind
    step: int
    token: int


Guard: TypeAlias = LeaseGuard | TimerGuard


@dataclass(frozen=True, slots=True)
class SetTimer:
    kind: TimerKind
    step: int
    token: int
    delay_seconds: float


@dataclass(frozen=True, slots=True)
class Prepare:
    """Evaluate the step's `when` and build its prompt: user code, outside any transaction."""

    step: int


@dataclass(frozen=True, slots=True)
class Gather:
    """Make one list of the results of the step's children."""

    step: int


@dataclass(frozen=True, slots=True)
class Judge:
    """Ask a step with `repeat` whether it is done after *iteration*."""

    step: int
    iteration: int


@dataclass(frozen=True, slots=True)
class Render:
    """Render the report; *partial* when the run is failing and there is only part of it.

    *actor* asked for it when the run had ended before.
    """

    partial: bool
    actor: str = ""


Ask: TypeAlias = Prepare | Gather | Judge | Render


class Verdict(StrEnum):
    """What became of one input."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    """The same result was applied before: answered alike, done once (P1)."""
    LATE = "late"


@dataclass(frozen=True, slots=True)
class Decision:
    """Nothing to commit when there are no events; *verdicts* answer the inputs, one each."""

    events: tuple[Event, ...] = ()
    guards: tuple[Guard, ...] = ()
    timers: tuple[SetTimer, ...] = ()
    asks: tuple[Ask, ...] = ()
    verdicts: tuple[Verdict, ...] = ()

    def then(self, later: Decision) -> Decision:
        """Join two decisions taken one after the other, to be committed as one.

        The later one knows what is still to be asked; the earlier one's questions are answered.
        """
        return Decision(
            self.events + later.events,
            self.guards + later.guards,
            self.timers + later.timers,
            later.asks,
            self.verdicts + later.verdicts,
        )
