"""One connection that listens. NOTIFY is a hint: after every LISTEN the caller looks for itself."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import psycopg
import structlog
from psycopg import sql

from flowrunner.db.connection import Connection
from flowrunner.db.pool import Conn, with_liveliness

log = structlog.stdlib.get_logger()

OnNotify = Callable[[str, str], None]
"""Channel and payload; must not block."""
OnGap = Callable[[], None]
"""Notifications may have been missed: look at the tables."""

_SELF_TEST_SECONDS = 2.0
_PROBE = "flowrunner_probe"


@dataclass(frozen=True, slots=True)
class Ears:
    """Whom to tell. *alive_seconds*: how long silence lasts before the connection is asked."""

    channels: Sequence[str]
    on_notify: OnNotify
    on_gap: OnGap
    alive_seconds: float = 15.0
    retry_seconds: float = 5.0
    """After a failed self-test: when to try this address again."""
    is_ours: Callable[[int], bool] = lambda _pid: False
    """Whether a notification of this server process is our own: then it says nothing new."""


async def listen(url: str, ears: Ears, ready: asyncio.Event) -> None:
    """Tell *ears* until cancelled; reconnect with backoff and jitter, and say so after each gap.

    Sets *ready* after the first connection that passed its self-test, or that failed it: behind a
    transaction pooler LISTEN is silently deaf, and then polling alone has to do (N7).
    """
    failures = 0
    while True:
        try:
            async with _listening(url, ears.channels) as conn:
                if not await _hears_itself(conn):
                    log.error("listener.deaf", hint="set FLOWRUNNER_LISTEN_URL to a direct address")
                    ready.set()
                    ears.on_gap()
                    await asyncio.sleep(ears.retry_seconds)
                    continue
                failures = 0
                log.debug("listener.connected", channels=list(ears.channels))
                ears.on_gap()
                ready.set()
                await _hear(conn, ears)
        except (psycopg.Error, OSError) as error:
            failures += 1
            log.warning("listener.disconnected", error=str(error).strip(), failures=failures)
            await asyncio.sleep(min(2.0, 0.1 * 2 ** min(failures, 5)) * random.uniform(0.5, 1.0))  # noqa: S311


@asynccontextmanager
async def _listening(url: str, channels: Sequence[str]) -> AsyncGenerator[Conn]:
    dsn = with_liveliness(url, "flowrunner-listener")
    conn = await Connection.connect(dsn, autocommit=True, prepare_threshold=None)
    try:
        for channel in (*channels, _PROBE):
            await conn.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        yield conn
    finally:
        await conn.close()


async def _hears_itself(conn: Conn) -> bool:
    token = secrets.token_hex(8)
    await conn.execute("SELECT pg_notify(%s, %s)", (_PROBE, token))
    async for notify in conn.notifies(timeout=_SELF_TEST_SECONDS):
        if notify.channel == _PROBE and notify.payload == token:
            return True
    return False


async def _hear(conn: Conn, ears: Ears) -> None:
    wanted = set(ears.channels)
    while True:
        async for notify in conn.notifies(timeout=ears.alive_seconds):
            if notify.channel in wanted and not ears.is_ours(notify.pid):
                ears.on_notify(notify.channel, notify.payload)
        # Silence: a half-open connection would be silent for ever, so it is asked.
        async with asyncio.timeout(ears.alive_seconds):
            await conn.execute("SELECT 1")
