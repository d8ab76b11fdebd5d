"""Whether leases that have ended may be believed to have: time itself may have jumped (L11)."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from flowrunner.leases.ports import Clock

log = structlog.stdlib.get_logger()

# What two clocks may differ by without anybody having touched them.
_TOLERANCE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Look:
    asked_at: float
    """By our own steady clock, before the question was sent."""
    said: float
    """The database's clock."""


class Brake:
    """Holds for *grace_seconds* once nobody could renew, or once leases ended before their time.

    Workers renew sooner than that. Nobody could renew while we could not look either, which is
    for more than *gap_seconds*: the database was away, or this machine was suspended, with its
    workers. Leases end before their time when the database's clock is put forward, or when another
    server with another clock takes over.
    """

    def __init__(self, *, grace_seconds: float, gap_seconds: float, clock: Clock) -> None:
        self._grace_seconds = grace_seconds
        self._gap_seconds = gap_seconds
        self._clock = clock
        self._last: _Look | None = None
        self._until = 0.0

    def asked(self) -> float:
        """When a look begins, by our own clock."""
        return self._clock()

    def holds(self, asked_at: float, said: float) -> bool:
        """Whether nobody may be declared dead; the database said *said* to what was asked then."""
        now = self._clock()
        if self._last is not None:
            self._compare(self._last, said, now)
        self._last = _Look(asked_at, said)
        return now < self._until

    def _compare(self, last: _Look, said: float, now: float) -> None:
        # No more than this can have passed between the two answers.
        passed = now - last.asked_at
        jumped = said - last.said - passed
        if jumped > _TOLERANCE_SECONDS:
            hint = "keep the database's clock in step by slewing; see its NTP service"
            log.error("clock.jumped", seconds=round(jumped, 3), hint=hint)
        elif passed > self._gap_seconds:
            log.warning("database.was_away", seconds=round(passed, 3))
        else:
            return
        self._until = now + self._grace_seconds
