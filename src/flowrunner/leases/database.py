"""Leases in the database that this process is connected to."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import psycopg
from psycopg_pool import PoolTimeout

from flowrunner.core.errors import UnavailableError
from flowrunner.db import queue, workers
from flowrunner.db.pool import Conn, Pool
from flowrunner.db.queue import ClaimedTask
from flowrunner.wire.tasks import Renewal


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds leases here: what a worker row says of a process."""

    name: str
    host: str
    pid: int
    queues: tuple[str, ...]
    slots: int
    version: str
    lease_seconds: float


class DatabaseLeases:
    """The lease port over SQL: each call is one statement and one commit."""

    def __init__(self, pool: Pool, holder: Holder) -> None:
        self._pool = pool
        self._holder = holder

    async def register(self, worker_id: UUID) -> None:
        who = self._holder
        row = workers.WorkerRow(
            worker_id, who.name, who.host, who.pid, who.queues, who.slots, who.version
        )
        async with self._connection() as conn:
            await workers.register(conn, row, who.lease_seconds)

    async def renew(self, worker_id: UUID, lease_seconds: float, held: Collection[int]) -> Renewal:
        async with self._connection() as conn:
            renewal = await workers.renew(conn, worker_id, lease_seconds, tuple(held))
        return Renewal(known=renewal.known, lost=renewal.lost)

    async def claim(self, worker_id: UUID, count: int) -> Sequence[ClaimedTask]:
        async with self._connection() as conn:
            return await queue.claim(conn, worker_id, self._holder.queues, count)

    async def release(self, worker_id: UUID, epochs: Collection[int]) -> int:
        async with self._connection() as conn:
            return await queue.release(conn, worker_id, tuple(epochs))

    async def release_unknown(self, worker_id: UUID, keep: Collection[int]) -> int:
        async with self._connection() as conn:
            return await queue.release_unknown(conn, worker_id, tuple(keep))

    async def deregister(self, worker_id: UUID) -> None:
        async with self._connection() as conn:
            await workers.deregister(conn, worker_id)

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[Conn]:
        try:
            async with self._pool.connection() as conn:
                yield conn
        except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, OSError) as error:
            raise UnavailableError(str(error).strip()) from error
