"""One connection that notifies: hints of many commits as one, never inside any of them."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import suppress

import psycopg
import structlog

from flowrunner.db.connection import Connection
from flowrunner.db.pool import Conn, with_liveliness

log = structlog.stdlib.get_logger()

COALESCE_SECONDS = 0.005
PATIENT_SECONDS = 0.05
"""For hints that can wait: who follows a run does not see the difference, a chain of steps does."""
# A NOTIFY payload holds 8000 bytes; beyond this many names it says "look at everything".
_MOST_NAMES = 150

# The setting is this transaction's: behind a pooler a session's would be somebody else's too, who
# then loses what was committed.
NOTIFY = """
SELECT set_config('synchronous_commit', 'off', true), pg_notify(x.channel, x.payload)
  FROM unnest(%(channels)s::text[], %(payloads)s::text[]) AS x (channel, payload)
"""


class Notifier:
    """Sends hints at once, then what came within 5 ms as one commit; none waits for a disk (N1).

    Hints that can wait go along with others, or 50 ms after the last ones.
    """

    name = "notifier"

    def __init__(self, url: str) -> None:
        self._url = url
        self._pending: defaultdict[str, set[str]] = defaultdict(set)
        self._wake = asyncio.Event()
        self._urgent = asyncio.Event()
        self.sent = 0
        self.pid: int | None = None
        """The server's process behind our connection: who hears hints from it hears us."""

    def hint(self, channel: str, name: str, *, can_wait: bool = False) -> None:
        """Say that *name* (a queue, a run, a worker) is worth a look. Never blocks."""
        self._pending[channel].add(name)
        self._wake.set()
        if not can_wait:
            self._urgent.set()

    async def run(self, ready: asyncio.Event) -> None:
        """Send until cancelled. A lost connection loses hints, which polling makes up for."""
        ready.set()
        conn: Conn | None = None
        try:
            while True:
                await self._wake.wait()
                # What the same turn of the loop has to say goes along.
                await asyncio.sleep(0)
                self._wake.clear()
                self._urgent.clear()
                pending, self._pending = self._pending, defaultdict(set)
                try:
                    if conn is None or conn.closed:
                        conn = await self._connect()
                        self.pid = conn.info.backend_pid
                    await self._send(conn, pending)
                    await self._rest()
                except (psycopg.Error, OSError) as error:
                    log.warning("notifier.failed", error=str(error).strip())
                    conn = await _closed(conn)
                    await asyncio.sleep(0.2)
        finally:
            await _closed(conn)

    async def _rest(self) -> None:
        await asyncio.sleep(COALESCE_SECONDS)
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENT_SECONDS - COALESCE_SECONDS):
                await self._urgent.wait()

    async def _connect(self) -> Conn:
        dsn = with_liveliness(self._url, "flowrunner-notifier")
        return await Connection.connect(dsn, autocommit=True, prepare_threshold=None)

    async def _send(self, conn: Conn, pending: dict[str, set[str]]) -> None:
        rows: list[tuple[str, str]] = []
        for channel, names in pending.items():
            rows.append((channel, ",".join(sorted(names)) if len(names) <= _MOST_NAMES else ""))
        channels = [channel for channel, _ in rows]
        await conn.execute(NOTIFY, {"channels": channels, "payloads": [name for _, name in rows]})
        self.sent += 1


async def _closed(conn: Conn | None) -> None:
    if conn is not None:
        await conn.close()
