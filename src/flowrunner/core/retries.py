"""Whether and when a failed attempt is tried again."""

from __future__ import annotations

from zlib import crc32

from flowrunner.core.graph import RetryPolicy
from flowrunner.core.model import Failure, FailureClass

_MAY_HEAL = frozenset({FailureClass.TRANSIENT, FailureClass.QUOTA, FailureClass.CONTRACT})
_LONGEST_SECONDS = 35 * 86400.0


def next_delay(policy: RetryPolicy, failure: Failure, failures: int, seed: str) -> float | None:
    """Seconds until the next attempt, or None when there is none.

    *failures* counts this one. The wait doubles up to the cap; "full jitter" between half and all
    of it is a function of *seed*, so that the same decision is taken by every replica.
    """
    heals = failure.failure_class in _MAY_HEAL and failure.failure_class in policy.classes
    if not heals or failures >= policy.max_attempts:
        return None
    # The exponent is bounded first: 2.0 ** 1100 overflows, and the core must not raise.
    ceiling = min(policy.cap_seconds, policy.base_seconds * 2.0 ** min(failures - 1, 60))
    return round(ceiling * (0.5 + _share(seed, failures) / 2), 3)


def waits_for_quota(policy: RetryPolicy, failure: Failure) -> bool:
    """Whether the failure is none of those that *policy* counts: nothing is wrong with the step."""
    is_quota = failure.failure_class is FailureClass.QUOTA
    return is_quota and FailureClass.QUOTA in policy.classes


def quota_delay(pause_seconds: float | None, waits: int, seed: str) -> float:
    """Seconds until a provider is asked again that said it answers nobody for *pause_seconds*.

    *waits* counts this one. Unannounced, the wait doubles from a minute to an hour; and one who
    announces again and again a moment that is not the end is asked more and more seldom, too. What
    waits for the same moment does not come back in the same instant, and never before it.
    """
    doubled = 2.0 ** min(max(waits, 1) - 1, 60)
    if pause_seconds is None:
        wait = min(3600.0, 60.0 * doubled)
    else:
        wait = min(_LONGEST_SECONDS, max(pause_seconds, min(60.0, doubled)))
    spread = min(60.0, 1.0 + wait / 20)
    return round(wait + spread * _share(seed, waits), 3)


def _share(seed: str, count: int) -> float:
    return crc32(f"{seed}/{count}".encode()) / 0xFFFFFFFF
