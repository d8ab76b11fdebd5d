"""A replica with a worker whose agents answer when the test lets them, and strangers beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg

from crashpoints.crew import Book, a_crew
from crashpoints.judge import judge
from crashpoints.points import Dooms
from crashpoints.shapes import Shape, said
from crashpoints.stage import Play
from fixtures.databases import Database
from fixtures.libraries import a_flow, a_library, agent, code
from fixtures.runs import launch
from fixtures.services import LogLines, Replicas
from fixtures.waiting import until
from flowrunner.bootstrap.service import Service, running
from flowrunner.core.errors import FlowRunnerError
from flowrunner.core.model import RunId
from flowrunner.db.pool import Conn
from flowrunner.dispatch.ports import Task
from flowrunner.wire.tasks import TaskReport

NAME = "work"
OURS = "application_name LIKE 'flowrunner%' AND datname = current_database()"
_OPEN = """
SELECT count(*) FROM flow_runs WHERE id = ANY (%s) AND finished_at IS NULL
"""


class Gated(Shape):
    """Agents that begin while it is closing answer when the gate opens; all others at once."""

    def __init__(self) -> None:
        flow = a_flow(agent("a"), agent("b", "a"), code("c", "b"), name=NAME)
        super().__init__(NAME, a_library(flow))
        self.is_closing = False
        self.gate = asyncio.Event()

    async def answer(self, task: Task) -> TaskReport:
        if self.is_closing:
            await self.gate.wait()
        return said(task)


@dataclass(slots=True)
class Place:
    """What a test has to do with: the replica, and what its agents were paid for."""

    database: Database
    service: Service
    shape: Gated
    book: Book = field(default_factory=Book)

    async def launch(self, count: int = 1) -> list[RunId]:
        """Launch runs as a client would: with a key, and again until there is an answer."""
        return [await self._launch() for _ in range(count)]

    async def hold(self) -> RunId:
        """A run at whose first step an agent works until the gate opens."""
        self.shape.is_closing = True
        run_id = await self._launch()
        await until(lambda: bool(self.book.begun))
        self.shape.is_closing = False
        return run_id

    async def have_ended(self, runs: Sequence[RunId], deadline: float = 20.0) -> None:
        async with await self.database.connect("admin") as conn:

            async def over() -> bool:
                cur = await conn.execute(_OPEN, (list(runs),))
                return await cur.fetchone() == (0,)

            await until(over, deadline)

    async def is_over(self, run_id: RunId) -> bool:
        """Whether it has ended, as somebody outside sees it."""
        ended = "SELECT finished_at IS NOT NULL FROM flow_runs WHERE id = %s"
        return bool(await self.database.value(ended, (run_id,)))

    async def judge(self) -> tuple[str, ...]:
        """What is wrong: invariants, and paid answers that are not in the log."""
        async with await self.database.connect("admin") as conn:
            play = Play(self.shape, Dooms(()), self.book)
            return (await judge(conn, play, None)).violations

    async def _launch(self) -> RunId:
        key = f"key {len(self.book.begun)} {id(object())}"
        found: list[RunId] = []

        async def ask() -> bool:
            try:
                found.append(await launch(self.service, NAME, idempotency_key=key))
            except (FlowRunnerError, psycopg.Error, OSError):
                return False
            return True

        await until(ask, 30.0)
        return found[0]


@asynccontextmanager
async def a_place(database: Database, **settings: Any) -> AsyncGenerator[Place]:
    """A replica at work. It is stopped at the end, as its operator would."""
    shape = Gated()
    lives: dict[str, Any] = {
        "lease_seconds": 30.0,
        "renew_seconds": 5.0,
        "lease_margin_seconds": 10.0,
    }
    service = Replicas(database.addresses).build(shape.library, **{**lives, **settings})
    place = Place(database, service, shape)
    crew = a_crew(service, shape.answer, place.book, inbox=False)
    async with running(service, crew):
        yield place
    assert await place.judge() == ()


@asynccontextmanager
async def a_stranger(database: Database, *statements: str, args: Any = ()) -> AsyncGenerator[Conn]:
    """Somebody who began a transaction, did something in it and went for lunch."""
    async with await database.connect("admin") as conn:
        # Who locks wants the newest row; who reads keeps what it has seen.
        await conn.execute("BEGIN" if args else "BEGIN ISOLATION LEVEL REPEATABLE READ")
        for statement in statements:
            await conn.execute(statement.encode(), args if "%s" in statement else None)
        yield conn
        await conn.execute("ROLLBACK")


def unknown(lines: LogLines) -> LogLines:
    """The commits that got no answer, as the replica has logged them."""
    return [line for line in lines if line["event"] == "commit.unknown"]
