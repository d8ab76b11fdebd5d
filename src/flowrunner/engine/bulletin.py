"""Follow every run at once: what runs and approvals go through, from now on.

Events of different runs have no common order, so there is no cursor to come back with: who was cut
off looks at the lists again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import structlog

from flowrunner.core.model import RunId
from flowrunner.db.events import EventRow
from flowrunner.db.news import list_news, list_versions, read_clock
from flowrunner.db.pool import AWAY, Pool

log = structlog.stdlib.get_logger()


@dataclass(eq=False, slots=True)
class _Watcher:
    """Who follows: since when, how far each run is known, and which runs were heard of."""

    since: datetime
    known: dict[RunId, int]
    heard: set[RunId] = field(default_factory=set[RunId])
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def first_id(self) -> UUID:
        """The least id of a run launched since: an id begins with its launch's milliseconds."""
        return UUID(int=int(self.since.timestamp() * 1000) << 80)


class Bulletin:
    """One wake-up per watcher; the tables are read, so that a hint that was lost is no loss."""

    def __init__(self, pool: Pool, *, poll_seconds: float) -> None:
        self._pool = pool
        self._poll_seconds = poll_seconds
        self._watchers: set[_Watcher] = set()
        self._closed = False

    def heard(self, runs: frozenset[RunId]) -> None:
        """Wake everybody; an empty set means that any run may have moved."""
        for watcher in self._watchers:
            watcher.heard |= runs
            watcher.wake.set()

    def close(self) -> None:
        self._closed = True
        self.heard(frozenset())

    async def follow(self) -> AsyncIterator[EventRow]:
        """Yield what is committed from now on, until it is closed. Raises while nothing is read."""
        async with self._pool.connection() as conn:
            since = await read_clock(conn)
            watcher = _Watcher(since, await list_versions(conn, UUID(int=(1 << 128) - 1), ()))
        self._watchers.add(watcher)
        try:
            while not self._closed:
                watcher.wake.clear()
                for row in await self._news(watcher):
                    yield row
                await self._wait(watcher)
        finally:
            self._watchers.discard(watcher)

    async def _news(self, watcher: _Watcher) -> list[EventRow]:
        """Read the logs of the runs that moved; nothing while the database is away (P3)."""
        heard, watcher.heard = watcher.heard, set()
        known = watcher.known
        try:
            async with self._pool.connection() as conn:
                versions = await list_versions(conn, watcher.first_id, list(heard))
                moved = {r: known.get(r, 0) for r, v in versions.items() if v > known.get(r, 0)}
                rows = await list_news(conn, moved, watcher.since) if moved else []
        except AWAY as error:
            log.warning("bulletin.delayed", error=str(error).strip())
            watcher.heard |= heard
            return []
        # What was committed after the versions were read may have been read as well.
        known |= {run_id: versions[run_id] for run_id in moved}
        for row in rows:
            known[row.run_id] = max(known[row.run_id], row.seq)
        return rows

    async def _wait(self, watcher: _Watcher) -> None:
        try:
            async with asyncio.timeout(self._poll_seconds):
                await watcher.wake.wait()
        except TimeoutError:
            pass
