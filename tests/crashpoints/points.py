"""Every statement that a replica sends is a point at which it, or its connection, may die.

A point is a round trip on one connection: a statement with its implicit commit, BEGIN, COMMIT, a
pipeline's batch. The product knows nothing of it: its connections are made of another class here.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import nullcontext
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, TypeAlias, TypeVar, get_args

import psycopg
from psycopg import AsyncConnection, pq
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn
from psycopg.rows import tuple_row
from psycopg.sql import Composable

from crashpoints.clock import LeapingLoop

T = TypeVar("T")

Mode: TypeAlias = Literal["kill", "cut", "before", "after"]
MODES: tuple[Mode, ...] = get_args(Mode)
"""kill: the backend ends before the statement reaches it, and the replica goes on.
cut: the statement is done, but its answer is lost with the connection; the replica goes on.
before: the replica dies before it sends the statement.
after: the replica dies when it is done, and nobody has heard the answer.
"""


@dataclass(frozen=True, slots=True)
class Doom:
    """*at*: which statement, counted from 1 and from the last doom before."""

    at: int
    mode: Mode

    def __str__(self) -> str:
        return f"{self.at}:{self.mode}"


@dataclass(slots=True)
class Dooms:
    """What is planned for one play, and what was struck; *labels* names all statements in order."""

    planned: tuple[Doom, ...]
    labels: list[str] = field(default_factory=list[str])
    struck: list[str] = field(default_factory=list[str])
    _since: int = 0

    def next(self, label: str) -> Mode | None:
        """Count one statement; how it ends, if it is doomed."""
        self.labels.append(label)
        self._since += 1
        if len(self.struck) == len(self.planned):
            return None
        doom = self.planned[len(self.struck)]
        if doom.at != self._since:
            return None
        self._since = 0
        self.struck.append(f"{doom} {label}")
        return doom.mode


class Backends:
    """Sessions of the server that outlive their clients, because starting one costs most.

    A session that is idle and outside of a transaction cannot be told from a new one, once it has
    forgotten its statements and channels. Any other one ends with its client, as it would outside.
    """

    def __init__(self) -> None:
        self._idle: defaultdict[str, list[PGconn]] = defaultdict(list)
        self.leaving: set[int] = set()
        """Sessions that end, but may not have ended yet."""

    def take(self, conninfo: str) -> PGconn | None:
        while self._idle[conninfo]:
            pgconn = self._idle[conninfo].pop()
            result = pgconn.exec_(b"DEALLOCATE ALL; UNLISTEN *")
            if result.status == ExecStatus.COMMAND_OK and not pgconn.notifies():
                return pgconn
            pgconn.finish()
        return None

    def give(self, conninfo: str, pgconn: PGconn) -> None:
        """Keep the session if it is idle; otherwise it ends."""
        if pgconn.status != ConnStatus.OK:
            return
        pid = pgconn.backend_pid
        if pgconn.transaction_status == TransactionStatus.IDLE and pid not in self.leaving:
            self._idle[conninfo].append(pgconn)
        else:
            self.leaving.add(pid)
            pgconn.finish()

    def close(self) -> None:
        for pgconn in (each for idle in self._idle.values() for each in idle):
            pgconn.finish()


class Life:
    """One process's life: what it has at work and its connections; all end at once when it dies."""

    living: Life | None = None
    """Whose code runs in threads: their tasks do not know."""

    def __init__(self, dooms: Dooms, backends: Backends, kill: Callable[[int], object]) -> None:
        self._dooms = dooms
        self._kill = kill
        self.backends = backends
        self._wires: list[Wire] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self.is_dead = False
        self.died = asyncio.Event()
        Life.living = self

    def adopt(self, task: asyncio.Task[Any]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self.is_dead:
            task.cancel()

    def connected(self, wire: Wire) -> None:
        self._wires.append(wire)

    async def send(self, wire: Wire, label: str, proceed: Callable[[], Awaitable[Any]]) -> Any:
        """Send a statement, unless this life ends first or the plan says otherwise."""
        if self.is_dead:
            raise psycopg.OperationalError("this process is dead")
        mode = self._dooms.next(label)
        if mode == "kill":
            self.backends.leaving.add(wire.pgconn.backend_pid)
            self._kill(wire.pgconn.backend_pid)
        elif mode == "before":
            self.die()
        try:
            answer = await proceed()
        finally:
            if mode == "after":
                self.end()
        if mode == "after":
            raise asyncio.CancelledError
        if mode == "cut":
            wire.let_go()
            raise psycopg.OperationalError("the connection was lost with the answer")
        return answer

    def die(self) -> None:
        """End everything here and now. Raises CancelledError: nobody comes back from this."""
        self.end()
        raise asyncio.CancelledError

    def end(self) -> None:
        self.is_dead = True
        for wire in self._wires:
            wire.let_go()
        for task in list(self._tasks):
            task.cancel()
        self.died.set()

    def at_work(self) -> list[str]:
        """What is not finished, and where it is, innermost last."""
        return sorted(f"{task.get_name()}: {_awaited(task)}" for task in self._tasks)

    async def gone(self) -> None:
        """Wait until nothing of it is left, cancelling what holds on."""
        while self._tasks:
            for task in list(self._tasks):
                task.cancel()
            await asyncio.wait(list(self._tasks), timeout=0.05)


def _awaited(task: asyncio.Task[Any]) -> str:
    """The chain of functions that a task waits in."""
    chain: list[str] = []
    inner: Any = task.get_coro()
    while inner is not None and hasattr(inner, "cr_code"):
        line = inner.cr_frame.f_lineno if inner.cr_frame else 0
        chain.append(f"{inner.cr_code.co_name}:{line}")
        inner = inner.cr_await
    return " > ".join(chain)


OWNER: ContextVar[Life | None] = ContextVar("OWNER")
"""Whose work this is; None: the test's own."""


def owner() -> Life | None:
    return OWNER.get(Life.living)


def owned(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
    """Make a task and note whose it is; a loop's task factory."""
    task: asyncio.Task[Any] = asyncio.Task(coro, loop=loop, **options)
    life = owner()
    if life is not None:
        life.adopt(task)
    return task


def task_of(life: Life, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Let a process do *work*: with it, it ends."""
    context = copy_context()
    context.run(OWNER.set, life)
    task = asyncio.get_running_loop().create_task(work, context=context)
    life.adopt(task)
    return task


class Wire(AsyncConnection[Any]):
    """A connection that belongs to a life, and tells it before each round trip."""

    def __init__(self, pgconn: Any, row_factory: Any = tuple_row) -> None:
        super().__init__(pgconn, row_factory)
        self._life = owner()
        self._conninfo = ""
        if self._life is not None:
            self._life.connected(self)

    @classmethod
    async def connect(cls, conninfo: str = "", **options: Any) -> Any:
        life = owner()
        if life is None:
            return await super().connect(conninfo, **options)
        if life.is_dead:
            raise psycopg.OperationalError("this process is dead")
        pgconn = life.backends.take(conninfo)
        if pgconn is None:
            with under_way():
                wire = await super().connect(conninfo, **options)
        else:
            wire = cls(pgconn)
            wire._autocommit = bool(options.get("autocommit"))
            wire.prepare_threshold = options.get("prepare_threshold", 5)
        wire._conninfo = conninfo
        return wire

    def let_go(self) -> None:
        """Be without a server from here on, whoever still holds this connection."""
        pgconn, self.pgconn = self.pgconn, _gone()
        if self._life is not None:
            self._life.backends.give(self._conninfo, pgconn)

    async def close(self) -> None:
        if self._life is not None:
            self.let_go()
        await super().close()

    async def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:  # noqa: ASYNC109  # psycopg's
        if gen.__name__ == "notifies" or self._sends_nothing(gen):
            return await super().wait(gen, interval, timeout)

        async def proceed() -> Any:
            return await super(Wire, self).wait(gen, interval, timeout)

        with under_way():
            if self._life is None:
                return await proceed()
            return await self._life.send(self, _label(gen), proceed)

    def _sends_nothing(self, gen: Any) -> bool:
        """Leaving a block ends its transaction; there is none in autocommit."""
        is_end = gen.__name__ in {"_commit_gen", "_rollback_gen"}
        return is_end and self.pgconn.transaction_status == TransactionStatus.IDLE


@cache
def _gone() -> PGconn:
    pgconn: PGconn = pq.PGconn.connect_start(b"host=/nowhere")
    pgconn.finish()
    return pgconn


def under_way() -> Any:
    loop = asyncio.get_running_loop()
    return loop.under_way() if isinstance(loop, LeapingLoop) else nullcontext()


def _label(gen: Any) -> str:
    """What a round trip is about: the first word of its statement and the names that follow."""
    frame = getattr(gen, "gi_frame", None)
    query: object = frame.f_locals.get("query") if frame is not None else None
    if query is None:
        return str(gen.__name__).strip("_")
    text = query.decode() if isinstance(query, bytes) else str(query)
    if isinstance(query, Composable):
        text = query.as_string()
    return " ".join(text.split())[:70]
