"""How long a dispatcher waits between two looks, when nothing wakes it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Polling:
    """Seconds, and how many tasks to claim at once at most.

    *spread* is the share by which waits vary, so that workers fall out of step.
    """

    batch: int = 50
    least_seconds: float = 1.0
    most_seconds: float = 5.0
    spread: float = 0.2


def next_wait(wait: float, found: int, polling: Polling, *, announced: bool) -> float:
    """Wait longer while there is nothing, less when work was there that nobody had announced."""
    if found == 0:
        wait *= 1.5
    elif not announced:
        wait /= 2
    return min(polling.most_seconds, max(polling.least_seconds, wait))


def varied(wait: float, share: float, polling: Polling) -> float:
    """Vary *wait*; *share* is uniform between 0 and 1."""
    return wait * (1 + polling.spread * (2 * share - 1))
