"""How much of the time for one answer is left."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

MIN_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Clock:
    """Counts from its making; the answer depends on it only if the time does not suffice."""

    seconds: float
    started: float = field(default_factory=time.monotonic)

    def left(self) -> float:
        """Return the seconds that are left, never less than a blink."""
        return max(self.seconds - (time.monotonic() - self.started), MIN_SECONDS)

    def is_over(self) -> bool:
        return time.monotonic() - self.started >= self.seconds
