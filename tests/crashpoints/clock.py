"""A loop whose clock runs ahead while nothing can happen: nobody waits for a back-off of ours.

Time passes as it does outside while a statement is under way. While the loop only waits for its own
timers, each two milliseconds count as what is left until the next one, a tenth of a second at most.
"""

from __future__ import annotations

import asyncio
import selectors
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from flowrunner.engine import threads

_LEAP = 0.1
_QUIET = 0.002
# User code that works is not waited for for ever: one that awaits an agent's answer has to.
_QUIET_WITH_CODE = 0.02


class _Selector(selectors.DefaultSelector):  # pyright: ignore[reportUntypedBaseClass, reportGeneralTypeIssues]
    """Waits a moment at most, and then lets the clock leap instead."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead = 0.0
        self.under_way = 0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        quiet = _QUIET if self.under_way or not _has_code() else _QUIET_WITH_CODE
        ready = super().select(min(timeout, quiet))
        if not ready and not self.under_way and timeout > quiet:
            self.ahead += min(_LEAP, timeout - quiet)
        return ready


def _has_code() -> bool:
    hands = sum(thread.name == "user-code" for thread in threading.enumerate())
    return hands > len(threads._idle)  # pyright: ignore[reportPrivateUsage]  # nobody else knows


class LeapingLoop(asyncio.SelectorEventLoop):
    """An event loop on such a clock."""

    def __init__(self) -> None:
        self._quick = _Selector()
        super().__init__(self._quick)

    def time(self) -> float:
        return super().time() + self._quick.ahead

    @contextmanager
    def under_way(self) -> Generator[None]:
        """Something outside is being waited for: the clock must not leap."""
        self._quick.under_way += 1
        try:
            yield
        finally:
            self._quick.under_way -= 1
