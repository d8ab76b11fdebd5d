"""What one worker holds, as values: when it renews, when it fences itself, what it must hand back.

Times are seconds on one steady clock of this process; they are never compared with another clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import inf
from typing import TypeAlias

from flowrunner.core.errors import InvalidInputError, Problem

Epochs: TypeAlias = frozenset[int]
NONE: Epochs = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTimes:
    """Seconds. The margin is what killing an agent may take before the lease can end (P2)."""

    lease_seconds: float = 30.0
    renew_seconds: float = 5.0
    margin_seconds: float = 10.0
    call_seconds: float = 5.0
    """How long one claim or renewal may take before it counts as failed, outcome unknown."""
    watch_seconds: float = 1.0
    """How often the fence is looked at, so that a suspended machine notices when it wakes."""

    @property
    def retry_seconds(self) -> float:
        """The wait after a failed renewal."""
        return self.renew_seconds / 5

    @property
    def safe_seconds(self) -> float:
        """How long a renewal holds, counted from before it was sent."""
        return self.lease_seconds - self.margin_seconds


def check_times(times: LeaseTimes) -> None:
    """Raise InvalidInputError with every problem at once."""
    problems = [
        Problem("not-positive", f"{name} is {value}, it must be more than 0", pointer=f"/{name}")
        for name in ("lease_seconds", "renew_seconds", "margin_seconds", "call_seconds")
        if (value := getattr(times, name)) <= 0
    ]
    if times.renew_seconds + times.call_seconds > times.safe_seconds:
        problems.append(
            Problem(
                "lease-too-short",
                f"one slow renewal ({times.renew_seconds} + {times.call_seconds} s) outlasts the "
                f"safe part of a lease ({times.safe_seconds} s)",
                pointer="/lease_seconds",
                hint="keep renew_seconds + call_seconds within lease_seconds - margin_seconds",
            )
        )
    if problems:
        raise InvalidInputError("the lease times do not fit together", problems)


@dataclass(frozen=True, slots=True)
class Hold:
    """One worker's leases as it knows them.

    *dying* leases were fenced off while their work still stops: the database may say that they are
    ours, so they are neither used nor handed back before the work is gone. Of *delivering* ones
    the work has ended and its result is being told: nothing is left to stop, so nobody asks about
    them, for a renewal may find them settled before we hear of it. *retired* ones have their
    result in somebody's inbox: they are kept until it was read, lest the task be offered again.
    While in doubt, the database may hold leases for us that nobody here works on.
    """

    held: Epochs = NONE
    dying: Epochs = NONE
    delivering: Epochs = NONE
    retired: Epochs = NONE
    sent_at: float = -inf
    """The moment before the last successful renewal was sent."""
    doubt_until: float | None = None
    """In doubt until what is unknown was handed back by a call made after this moment."""
    swept_at: float | None = None
    """When what is unknown was last handed back, or the first renewal sent."""


def is_open(hold: Hold, now: float, times: LeaseTimes) -> bool:
    """Whether the leases still count: nothing may be claimed, run or renewed past this."""
    return now < hold.sent_at + times.safe_seconds


def fence(hold: Hold, now: float, times: LeaseTimes) -> tuple[Hold, Epochs]:
    """Return what is lost because no renewal succeeded in time; nothing while it is open."""
    if is_open(hold, now, times) or not hold.held:
        return hold, NONE
    return replace(hold, held=NONE, dying=hold.dying | hold.held), hold.held


def renewed(hold: Hold, sent_at: float, lost: Iterable[int]) -> tuple[Hold, Epochs]:
    """Return the hold after a renewal, and which of the leases it named lost were still in use."""
    named = frozenset(lost)
    gone = hold.held & named
    after = replace(hold, held=hold.held - gone, retired=hold.retired - named)
    swept_at = sent_at if hold.swept_at is None else hold.swept_at
    return replace(after, sent_at=max(hold.sent_at, sent_at), swept_at=swept_at), gone


def disowned(hold: Hold) -> tuple[Hold, Epochs]:
    """Return the hold of a worker whose row is gone: nothing, and everything is lost."""
    return Hold(), hold.held


def claimed(hold: Hold, epochs: Iterable[int]) -> Hold:
    return replace(hold, held=hold.held | frozenset(epochs))


def doubted(hold: Hold, now: float, times: LeaseTimes) -> Hold:
    """Doubt for a whole lease: a claim of unknown outcome may still be committed later."""
    return replace(hold, doubt_until=now + times.lease_seconds)


def released(hold: Hold, sent_at: float) -> Hold:
    """What was unknown when *sent_at* has been handed back."""
    over = hold.doubt_until is not None and sent_at >= hold.doubt_until
    return replace(hold, swept_at=sent_at, doubt_until=None if over else hold.doubt_until)


def settled(hold: Hold, epochs: Iterable[int], now: float, times: LeaseTimes) -> Hold:
    """Let leases go whose work has stopped. One that was fenced off is handed back from now on."""
    gone = frozenset(epochs)
    after = replace(
        hold,
        held=hold.held - gone,
        dying=hold.dying - gone,
        delivering=hold.delivering - gone,
    )
    return doubted(after, now, times) if gone & hold.dying else after


def retired(hold: Hold, epochs: Iterable[int]) -> Hold:
    """Keep leases whose work has ended until the database withdraws them."""
    done = (hold.held | hold.delivering) & frozenset(epochs)
    left = hold.delivering - done
    return replace(hold, held=hold.held - done, delivering=left, retired=hold.retired | done)


def delivering(hold: Hold, epochs: Iterable[int]) -> Hold:
    """The work has ended; its result is being told."""
    done = hold.held & frozenset(epochs)
    return replace(hold, held=hold.held - done, delivering=hold.delivering | done)


def asked(hold: Hold) -> Epochs:
    """The leases to ask a renewal about."""
    return hold.held | hold.retired


def must_sweep(hold: Hold, now: float, times: LeaseTimes) -> bool:
    """Whether to hand back what the database may hold for us and nobody works on (P4).

    Once per lease without any doubt as well: a claim that was given up may be committed however
    late, by a server that slept.
    """
    is_due = hold.swept_at is not None and now >= hold.swept_at + times.lease_seconds
    return hold.doubt_until is not None or is_due


def kept(hold: Hold) -> Epochs:
    """The leases that must not be handed back: they are in use, or their result is on its way."""
    return hold.held | hold.dying | hold.delivering | hold.retired
