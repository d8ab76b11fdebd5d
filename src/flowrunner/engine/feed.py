"""Follow a run's events: replay from the table, then whatever is committed, without a gap."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator

import structlog

from flowrunner.core.model import RunId
from flowrunner.db.events import EventRow, list_events
from flowrunner.db.pool import AWAY, Pool
from flowrunner.engine.bulletin import Bulletin

log = structlog.stdlib.get_logger()

_PAGE = 500
ENDS = frozenset({"run.completed", "run.failed", "run.cancelled"})
LAST = frozenset({*ENDS, "run.rendered"})
"""What may stand last in the log of a run that has ended; one that is retried goes on."""


class Feed:
    """One wake-up per watcher; the table is read, so that nothing a hint missed is missed (E1)."""

    def __init__(self, pool: Pool, *, poll_seconds: float = 2.0) -> None:
        self._pool = pool
        self._poll_seconds = poll_seconds
        self._watchers: defaultdict[RunId, set[asyncio.Event]] = defaultdict(set)
        self._closed = False
        self._all = Bulletin(pool, poll_seconds=poll_seconds)

    @property
    def watched(self) -> int:
        return sum(len(watchers) for watchers in self._watchers.values())

    def heard(self, runs: frozenset[RunId]) -> None:
        """Wake who watches *runs*; an empty set means that any run may have moved."""
        self._all.heard(runs)
        for run_id in runs & self._watchers.keys() if runs else tuple(self._watchers):
            for wake in self._watchers[run_id]:
                wake.set()

    def close(self) -> None:
        """End every stream: the service stops, and its clients come back with their cursor."""
        self._closed = True
        self._all.close()
        self.heard(frozenset())

    def follow_all(self) -> AsyncIterator[EventRow]:
        """See `Bulletin.follow`."""
        return self._all.follow()

    async def follow(self, run_id: RunId, after: int = 0) -> AsyncIterator[EventRow]:
        """Yield the events after *after*, in order, until the run has ended and nothing follows.

        Subscribes before it reads: what is committed in between is found by one or the other. Begin
        after the end of a run only to hear what comes then: a retry, or another report.
        """
        wake = asyncio.Event()
        self._watchers[run_id].add(wake)
        has_ended = False
        try:
            while not self._closed:
                wake.clear()
                rows = await self._rows(run_id, after)
                for row in rows:
                    yield row
                    after = row.seq
                    has_ended = row.type in LAST
                if len(rows) < _PAGE:
                    if has_ended:
                        return
                    await self._wait(wake)
        finally:
            self._watchers[run_id].discard(wake)
            if not self._watchers[run_id]:
                del self._watchers[run_id]

    async def _rows(self, run_id: RunId, after: int) -> list[EventRow]:
        """Nothing while the database is away: whoever watches need not know (P3)."""
        try:
            async with self._pool.connection() as conn:
                return await list_events(conn, run_id, after=after, limit=_PAGE)
        except AWAY as error:
            log.warning("feed.delayed", run_id=str(run_id), error=str(error).strip())
            return []

    async def _wait(self, wake: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(self._poll_seconds):
                await wake.wait()
        except TimeoutError:
            pass
