"""Leases in PostgreSQL, for a process that has a pool to it."""

from __future__ import annotations

from collections.abc import Collection, Generator, Sequence
from contextlib import contextmanager
from uuid import UUID

import psycopg

from flowrunner.core.errors import UnavailableError
from flowrunner.db import queue, workers
from flowrunner.db.pool import Pool
from flowrunner.db.queue import ClaimedTask
from flowrunner.leases.ports import Profile, Renewal


class SqlLeases:
    """A keeper's port. Give it a small pool of its own: a renewal must not queue behind work."""

    def __init__(self, pool: Pool, profile: Profile, lease_seconds: float) -> None:
        self._pool = pool
        self._profile = profile
        self._lease_seconds = lease_seconds

    async def register(self, worker_id: UUID) -> None:
        me = self._profile
        row = workers.WorkerRow(
            worker_id, me.name, me.host, me.pid, me.queues, me.slots, me.version
        )
        with reaching():
            async with self._pool.connection() as conn:
                await workers.register(conn, row, self._lease_seconds)

    async def renew(self, worker_id: UUID, lease_seconds: float, held: Collection[int]) -> Renewal:
        with reaching():
            async with self._pool.connection() as conn:
                return await workers.renew(conn, worker_id, lease_seconds, list(held))

    async def claim(self, worker_id: UUID, count: int) -> Sequence[ClaimedTask]:
        with reaching():
            async with self._pool.connection() as conn:
                return await queue.claim(conn, worker_id, self._profile.queues, count)

    async def release(self, worker_id: UUID, epochs: Collection[int]) -> int:
        with reaching():
            async with self._pool.connection() as conn:
                return await queue.release(conn, worker_id, list(epochs))

    async def release_unknown(self, worker_id: UUID, keep: Collection[int]) -> int:
        with reaching():
            async with self._pool.connection() as conn:
                return await queue.release_unknown(conn, worker_id, list(keep))

    async def deregister(self, worker_id: UUID) -> None:
        with reaching():
            async with self._pool.connection() as conn:
                await workers.deregister(conn, worker_id)


@contextmanager
def reaching() -> Generator[None]:
    """Turn what says "not now" into UnavailableError; a mistake of ours stays what it is."""
    try:
        yield
    except (
        psycopg.OperationalError,
        psycopg.InterfaceError,
        psycopg.InternalError,  # such as a server that was demoted and only reads now
        OSError,
    ) as exc:
        raise UnavailableError(str(exc).strip() or type(exc).__name__) from exc
