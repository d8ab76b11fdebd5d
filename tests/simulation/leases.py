"""The keeper's port, as it is: its statements are among those that the model answers."""

from __future__ import annotations

from flowrunner.leases.ports import Profile
from flowrunner.leases.sql import SqlLeases
from simulation.database import Wire
from simulation.world import LEASE


def leases_of(wire: Wire, queues: tuple[str, ...]) -> SqlLeases:
    profile = Profile("worker", "host", 1, queues, 4, "0")
    return SqlLeases(wire.pool, profile, LEASE)
