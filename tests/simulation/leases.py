"""The keeper's port to the model: what `SqlLeases` is to PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from flowrunner.db.queue import ClaimedTask
from flowrunner.db.workers import Renewal
from flowrunner.leases.sql import reaching
from simulation import leasing
from simulation.database import Wire


class ModelLeases:
    """Each call is one statement."""

    def __init__(self, wire: Wire, queues: Sequence[str], lease_seconds: float) -> None:
        self._wire = wire
        self._queues = queues
        self._lease_seconds = lease_seconds

    async def register(self, worker_id: UUID) -> None:
        with reaching():
            await self._wire.ask(lambda t: leasing.register(t, worker_id, self._lease_seconds))

    async def renew(self, worker_id: UUID, lease_seconds: float, held: Collection[int]) -> Renewal:
        with reaching():
            known, lost = await self._wire.ask(
                lambda t: leasing.renew(t, worker_id, lease_seconds, held)
            )
        return Renewal(known, tuple(lost))

    async def claim(self, worker_id: UUID, count: int) -> Sequence[ClaimedTask]:
        with reaching():
            return await self._wire.ask(lambda t: leasing.claim(t, worker_id, self._queues, count))

    async def release(self, worker_id: UUID, epochs: Collection[int]) -> int:
        with reaching():
            return await self._wire.ask(lambda t: leasing.release(t, worker_id, epochs))

    async def release_unknown(self, worker_id: UUID, keep: Collection[int]) -> int:
        with reaching():
            return await self._wire.ask(lambda t: leasing.release_unknown(t, worker_id, keep))

    async def deregister(self, worker_id: UUID) -> None:
        with reaching():
            await self._wire.ask(lambda t: leasing.deregister(t, worker_id))
