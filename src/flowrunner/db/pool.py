"""Connections: where they go, and what each of them must never do."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, TypeAlias

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool
from psycopg_pool.pool_async import AddConnection, MaintenanceTask

from flowrunner.db.connection import STATEMENT_SECONDS, Connection

Conn: TypeAlias = AsyncConnection[Any]
Pool: TypeAlias = AsyncConnectionPool[AsyncConnection[Any]]

AWAY: tuple[type[Exception], ...] = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.ReadOnlySqlTransaction,
    psycopg.errors.IdleInTransactionSessionTimeout,
    psycopg.errors.TransactionTimeout,
    OSError,
)
"""What says "not now": the server is away, is overloaded, was demoted and only reads, or has ended
a session of which it heard only half a statement."""

_NOT_NOW = frozenset({"08", "40", "53", "55", "57", "58"})
_NOT_NOW_EITHER = frozenset({"25006", "25P03", "25P04"})


def is_refusal(error: Exception) -> bool:
    """Whether the server said no to the statement itself, so that it would say so again.

    psycopg takes classes of SQLSTATE that it does not know, our own `FR` among them, for those of
    an OperationalError.
    """
    state = error.sqlstate if isinstance(error, psycopg.Error) else None
    if state is None:
        return not isinstance(error, AWAY)
    return state[:2] not in _NOT_NOW and state not in _NOT_NOW_EITHER


@contextmanager
def heeding() -> Generator[None]:
    """Be cancelled at the end of the block if that was asked for in it, and got lost.

    Before Python 3.12 `asyncio.wait_for`, with which a pool's clients wait for their turn, answers
    a cancellation that comes together with the result by the result. A loop would go on for ever,
    and with it a server that is told to stop.
    """
    task = asyncio.current_task()
    before = 0 if task is None else task.cancelling()
    yield
    if task is not None and task.cancelling() > before:
        raise asyncio.CancelledError


_LONGEST_PAUSE = 2.0


class _Pool(AsyncConnectionPool[AsyncConnection[Any]]):
    async def getconn(self, timeout: float | None = None) -> Conn:  # noqa: ASYNC109  # the base's own
        conn: Conn | None = None
        try:
            with heeding():
                conn = await super().getconn(timeout)
        except asyncio.CancelledError:
            if conn is not None:
                await self.putconn(conn)
            raise
        return conn

    async def schedule_task(self, task: MaintenanceTask, delay: float) -> None:
        """Look for a server that was lost every other second, for as long as it is away.

        The base doubles its pauses without end: who was away for a minute is not seen for another.
        """
        if isinstance(task, AddConnection):
            delay = min(delay, _LONGEST_PAUSE * random.uniform(0.75, 1.25))  # noqa: S311
        await super().schedule_task(task, delay)


# A cut cable must be noticed in seconds, not in the kernel's quarter of an hour. And a standby is
# no server for us: it refuses LISTEN and every write, and what it reads may be older than what
# somebody was just told.
_LIVELINESS = {
    "target_session_attrs": "read-write",
    "connect_timeout": "5",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}

LOCK_SECONDS = 10.0
# What the server is told, where it knows the name: one statement is one transaction, and a client
# that went away without a word must not hold its locks until the kernel's two hours are over.
SESSION = {
    "TimeZone": "UTC",
    "statement_timeout": f"{STATEMENT_SECONDS:.0f}s",
    "idle_in_transaction_session_timeout": "30s",
    "transaction_timeout": "45s",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
_SET_SESSION = """
SELECT set_config(name, value, false) FROM jsonb_each_text(%(session)s) AS session (name, value)
 WHERE current_setting(name, true) IS NOT NULL
"""


def with_liveliness(url: str, application_name: str | None = None) -> str:
    """Fill in keepalives, time-outs and the wish for a primary that *url* does not set itself."""
    given = conninfo_to_dict(url)
    named = {} if application_name is None else {"application_name": application_name}
    defaults = {**_LIVELINESS, **named}
    return make_conninfo(url, **{key: val for key, val in defaults.items() if key not in given})


def make_pool(
    url: str,
    *,
    name: str,
    size: int = 8,
    prepared: bool = True,
    pooled: bool = False,
    lock_seconds: float = LOCK_SECONDS,
) -> Pool:
    """Build a closed pool of autocommit connections: one statement is one transaction.

    *pooled*: the address is a transaction pooler's, where session settings would leak to others
    and prepared statements may meet another session's names.
    """

    async def configure(conn: Conn) -> None:
        conn.prepare_threshold = 5 if prepared and not pooled else None
        if not pooled:
            session = SESSION | {"lock_timeout": f"{lock_seconds * 1000:.0f}ms"}
            await conn.execute(_SET_SESSION, {"session": Jsonb(session)})

    return _Pool(
        with_liveliness(url, name),
        min_size=1,
        max_size=size,
        open=False,
        connection_class=Connection,
        kwargs={"autocommit": True},
        configure=configure,
        timeout=10,
        max_idle=300,
        reconnect_timeout=60,
        name=name,
    )
