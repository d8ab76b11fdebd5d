"""The pools of one replica, and what each is kept apart from."""

from __future__ import annotations

from dataclasses import dataclass

from flowrunner.bootstrap.database import Addresses
from flowrunner.db.pool import LOCK_SECONDS, Pool, make_pool
from flowrunner.settings import Settings

LANES = 2
"""Of commits: each is one connection's worth of work."""
_COMMIT_LOCK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Pools:
    """A renewal must not queue behind work, nor a commit behind readers.

    Few connections that are used all the time keep their plans warm.
    """

    work: Pool
    leases: Pool
    commits: Pool


def make_pools(settings: Settings, addresses: Addresses) -> Pools:
    """Make all of them; none is open yet."""
    return Pools(
        make_service_pool(settings, addresses, "flowrunner", settings.pool_size),
        make_service_pool(settings, addresses, "flowrunner-leases", 2),
        # One more than lanes: runs that somebody locks wait apart, and not for long at a time.
        make_service_pool(
            settings, addresses, "flowrunner-commits", LANES + 1, _COMMIT_LOCK_SECONDS
        ),
    )


def make_service_pool(
    settings: Settings,
    addresses: Addresses,
    name: str,
    size: int,
    lock_seconds: float = LOCK_SECONDS,
) -> Pool:
    """Make a pool as the operator's settings want it; it is not open yet."""
    return make_pool(
        addresses.database,
        name=name,
        size=size,
        prepared=settings.prepared_statements,
        pooled=settings.database_pooled,
        lock_seconds=lock_seconds,
    )
