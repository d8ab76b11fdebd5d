"""Sessions of a real server, stepped one by one; who is blocked says the server itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import psycopg

from fixtures.waiting import until
from flowrunner.db.pool import Conn

Act: TypeAlias = Callable[[Conn], Awaitable[Any]]
"""One call inside a transaction; what it returns is its verdict."""

# Who is being woken still shows that it waits: only who has somebody before it is blocked.
_BLOCKED = """
SELECT wait_event_type = 'Lock' AND cardinality(pg_blocking_pids(pid)) > 0
  FROM pg_stat_activity WHERE pid = %s
"""


@dataclass(slots=True)
class Session:
    """One transaction: it begins and calls in its first step, and ends in its second."""

    name: str
    conn: Conn
    act: Act
    keeps: bool = True
    """Whether it commits; otherwise it is rolled back."""
    was_blocked: bool = False
    is_due: bool = False
    """Its second step has come, but its call had not returned."""
    task: asyncio.Task[Any] | None = None
    verdict: Any = None


@dataclass(slots=True)
class Stage:
    """Steps sessions in a given order, and lets those go on that were blocked."""

    observer: Conn
    sessions: Sequence[Session]
    story: list[str] = field(default_factory=list[str])

    async def play(self, order: Sequence[int]) -> None:
        """Step by *order*: each session's number twice. A verdict may be an error."""
        for number in order:
            session = self.sessions[number]
            if session.task is None:
                await self._call(session)
            else:
                session.is_due = True
                await self._settle()
        stuck = [each.name for each in self.sessions if not each.is_due or _is_open(each)]
        assert stuck == [], f"blocked for good: {stuck}"

    async def _call(self, session: Session) -> None:
        await session.conn.execute("BEGIN")
        session.task = asyncio.ensure_future(session.act(session.conn))
        await self._wait(session)

    async def _settle(self) -> None:
        """End whoever may end, until nobody else gets further by it."""
        while True:
            ready = [each for each in self.sessions if each.is_due and _has_returned(each)]
            if not ready:
                return
            for session in ready:
                await self._end(session)
            for session in self.sessions:
                if _is_open(session) and session.task is not None:
                    await self._wait(session)

    async def _end(self, session: Session) -> None:
        assert session.task is not None
        try:
            session.verdict = await session.task
        except psycopg.Error as error:
            session.verdict, session.keeps = f"error: {error}", False
        await session.conn.execute("COMMIT" if session.keeps else "ROLLBACK")
        self.story.append(f"{session.name}: {session.verdict}")
        session.act = _over

    async def _wait(self, session: Session) -> None:
        """Wait until the call has returned, or the server says that it waits for a lock."""
        task = session.task
        assert task is not None

        async def is_settled() -> bool:
            if task.done():
                return True
            cur = await self.observer.execute(_BLOCKED, (session.conn.info.backend_pid,))
            is_blocked = await cur.fetchone() == (True,)
            session.was_blocked |= is_blocked
            return is_blocked or task.done()

        await until(is_settled)


async def _over(_conn: Conn) -> None:
    raise AssertionError("a session ends once")


def _is_open(session: Session) -> bool:
    return session.act is not _over


def _has_returned(session: Session) -> bool:
    return _is_open(session) and session.task is not None and session.task.done()
