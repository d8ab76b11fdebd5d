"""Whether and when a failed attempt is tried again."""

from __future__ import annotations

from zlib import crc32

from flowrunner.core.graph import RetryPolicy
from flowrunner.core.model import Failure, FailureClass

_MAY_HEAL = frozenset({FailureClass.TRANSIENT, FailureClass.QUOTA, FailureClass.CONTRACT})


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
    share = crc32(f"{seed}/{failures}".encode()) / 0xFFFFFFFF
    return round(ceiling * (0.5 + share / 2), 3)
