"""Play one run through crashes: a replica lives until it dies, and then the next one takes over."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pytest
from psycopg import AsyncConnection
from structlog.testing import capture_logs

from crashpoints.crew import Book, a_crew
from crashpoints.points import OWNER, Backends, Doom, Dooms, Life, Wire, owned, task_of
from crashpoints.shapes import Look, Shape
from fixtures.databases import RESET, Database
from flowrunner.bootstrap import pools as wiring
from flowrunner.bootstrap.database import Addresses
from flowrunner.bootstrap.service import Service, build_service, running
from flowrunner.core.errors import FlowRunnerError
from flowrunner.core.model import RunId
from flowrunner.db import listener, notifier, pool
from flowrunner.service.runs import LaunchRequest
from flowrunner.settings import Settings

S = TypeVar("S", bound="Stage")

# Nothing happens for the sake of time alone: a play without a crash is the same every time.
SETTINGS: dict[str, Any] = {
    "lease_seconds": 600.0,
    "renew_seconds": 10.0,
    "lease_margin_seconds": 30.0,
    "reap_seconds": 1.0,
    "patience_seconds": 15.0,
    "start_grace_seconds": 0.0,
    "poll_seconds": 1.0,
    "pool_size": 3,
}
_ROOT = Path(__file__).parent
_DEADLINE, _PAUSE = 12.0, 0.1
_ANSWERED = 300.0  # of the clock that leaps: how long an act may take, such as a launch
_STILL = 30  # looks without a change, and time passes in the database


class PlayedOutError(Exception):
    """The run did not end: somebody forgot it."""


@dataclass(slots=True)
class Replica:
    """One life of the service and the worker in it."""

    life: Life
    service: Service | None = None
    is_up: bool = False
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


@dataclass(slots=True)
class Play:
    """What one play left behind, for the judge."""

    shape: Shape
    dooms: Dooms
    book: Book
    run_id: RunId | None = None
    logs: list[Any] = field(default_factory=list[Any])
    failure: str | None = None

    @property
    def is_whole(self) -> bool:
        """Whether every answer was heard that is compared; a replica may be told to stop before."""
        heard = len(self.book.kept) + len(self.book.refused)
        return not self.shape.is_exact or len(self.book.begun) == heard


class Stage:
    """One database and the connections of those who look at it from outside."""

    def __init__(
        self, database: Database, admin: AsyncConnection[Any], killer: psycopg.Connection[Any]
    ) -> None:
        self.database = database
        self.admin = admin
        self._killer = killer
        self.backends = Backends()
        self.settings: Mapping[str, Any] = SETTINGS

    @property
    def addresses(self) -> Addresses:
        """Where the replicas find the database."""
        return self.database.addresses

    async def play(self, shape: Shape, planned: tuple[Doom, ...]) -> Play:
        """Play *shape* from an empty database to its end, striking the dooms on the way."""
        await self._clear()
        shape.begin()
        play = Play(shape, Dooms(planned), Book())
        with capture_logs() as play.logs:
            try:
                await self.drive(play)
            except PlayedOutError as error:
                play.failure = str(error)
            except Exception as error:  # noqa: BLE001  # a play that breaks down is a finding too
                play.failure = repr(error)
        return play

    async def drive(self, play: Play) -> None:
        """From the first replica's start to the last one's end. Raises PlayedOutError."""
        await _Drive(self, play).run()

    def kill(self, pid: int) -> None:
        """End a session. Nobody who is cancelled meanwhile can leave this half done."""
        self._killer.execute("SELECT pg_terminate_backend(%s)", (pid,))

    async def calm(self) -> None:
        """Wait for the last statements of the dead: what they sent before may still be executed."""
        leaving = self.backends.leaving

        async def quiet() -> bool:
            query = b"SELECT pid FROM pg_stat_activity WHERE pid = ANY (%s)"
            cur = await self.admin.execute(query, (list(leaving),))
            leaving.intersection_update([pid for (pid,) in await cur.fetchall()])
            return not leaving

        await until(quiet)

    async def _clear(self) -> None:
        """Forget all runs, when the dead have had their last word."""
        await self.calm()
        await self.admin.execute(RESET.encode())


@asynccontextmanager
async def a_stage(database: Database) -> AsyncGenerator[Stage]:
    """Connections of the product are made of `Wire` while this is open."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (listener, notifier):
            patch.setattr(module, "Connection", Wire)
        patch.setattr(wiring, "make_pool", _make_pool)
        async with a_plain_stage(database, Stage) as stage:
            yield stage


@asynccontextmanager
async def a_plain_stage(database: Database, kind: Callable[..., S]) -> AsyncGenerator[S]:
    """Connections of the product are its own."""
    OWNER.set(None)
    asyncio.get_running_loop().set_task_factory(owned)
    with pytest.MonkeyPatch.context() as patch:
        # It warns of every connection that is lost, and losing them is what this is about.
        patch.setattr(logging.getLogger("psycopg"), "level", logging.CRITICAL)
        patch.setattr(logging.getLogger("psycopg.pool"), "level", logging.CRITICAL)
        address = database.address("admin")
        killer = psycopg.connect(address, autocommit=True)
        async with await Wire.connect(address, autocommit=True) as admin:
            stage = kind(database, admin, killer)
            try:
                yield stage
            finally:
                killer.close()
                stage.backends.close()
                asyncio.get_running_loop().set_task_factory(None)


async def until(look: Callable[[], Any]) -> None:
    """Look until it is so; nobody hurries, for the clock leaps while nothing happens."""
    end = time.monotonic() + _DEADLINE
    while True:
        answer = look()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return
        if time.monotonic() > end:
            raise TimeoutError
        await asyncio.sleep(_PAUSE)


def _make_pool(*args: Any, **options: Any) -> pool.Pool:
    made = pool.make_pool(*args, **options)
    made.connection_class = Wire
    return made


class _Drive:
    """The world outside: it starts replicas, asks for what the shape wants, and lets time pass."""

    def __init__(self, stage: Stage, play: Play) -> None:
        self._stage = stage
        self._play = play
        self._seen = Look()
        self._still = 0
        self._replica = self._begin()

    async def run(self) -> None:
        try:
            await until(self._step)
            await self._leave()
        except TimeoutError as error:
            raise PlayedOutError(f"no end: {self._seen}") from error
        finally:
            self._replica.life.end()
            await self._replica.life.gone()

    async def _step(self) -> bool:
        """One look at the run, and what follows from it; whether the play is over."""
        replica = self._replica
        if replica.life.is_dead:
            await replica.life.gone()
            await self._outage()
            self._replica = self._begin()
            return False
        if replica.task is not None and replica.task.done():
            raise PlayedOutError(f"the replica ended by itself: {replica.task.exception()!r}")
        if not replica.is_up or replica.service is None:
            return False
        if self._play.run_id is None:
            await self._ask(self._launch(replica.service))
            return False
        await self._look(self._play.run_id)
        if self._play.shape.is_over(self._seen):
            return True
        wanted = self._play.shape.steer(self._seen, replica.service, self._play.run_id)
        if wanted is not None:
            await self._ask(wanted)
        return False

    async def _launch(self, service: Service) -> None:
        request = LaunchRequest(project_root=_ROOT, idempotency_key="once")
        launched = await service.runs.launch(self._play.shape.name, request)
        self._play.run_id = launched.run_id

    async def _ask(self, wanted: Coroutine[Any, Any, object]) -> None:
        """Ask as a client would: whatever fails is asked for again at the next look."""
        life = self._replica.life
        task = task_of(life, wanted)
        _done, hanging = await asyncio.wait((task,), timeout=_ANSWERED)
        if hanging:
            raise TimeoutError
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, (FlowRunnerError, psycopg.Error, OSError)):
            raise error

    async def _look(self, run_id: RunId) -> None:
        seen = await Look.at(self._stage.admin, run_id)
        self._still = self._still + 1 if seen.version == self._seen.version else 0
        self._seen = seen
        self._play.shape.watch(seen)
        if self._still >= _STILL:
            self._still = 0
            await self._pass(20)

    async def _outage(self) -> None:
        """Let everybody who was at work be dead for an hour: a renewal of theirs was before that."""
        await self._stage.calm()
        await self._stage.admin.execute("UPDATE workers SET expires_at = now() - interval '1 hour'")
        await self._pass(60)

    async def _pass(self, seconds: int) -> None:
        args = (seconds,)
        for statement in (
            "UPDATE flow_runs SET updated_at = updated_at - make_interval(secs => %s)",
            "UPDATE flow_timers SET due_at = due_at - make_interval(secs => %s)",
        ):
            await self._stage.admin.execute(statement.encode(), args)

    def _begin(self) -> Replica:
        replica = Replica(Life(self._play.dooms, self._stage.backends, self._stage.kill))
        replica.task = task_of(replica.life, self._live(replica))
        return replica

    async def _live(self, replica: Replica) -> None:
        shape = self._play.shape
        settings = Settings(**self._stage.settings)
        service = build_service(settings, self._stage.addresses, library=shape.library)
        crew = a_crew(service, shape.answer, self._play.book, inbox=shape.inbox)
        replica.service = service
        async with running(service, crew):
            replica.is_up = True
            await replica.stop.wait()

    async def _leave(self) -> None:
        """Stop the last replica as its operator would, dooms included."""
        replica = self._replica
        replica.stop.set()
        task = replica.task
        assert task is not None
        try:
            await until(lambda: task.done() or replica.life.is_dead)
        except TimeoutError as error:
            raise PlayedOutError(f"it does not stop: {replica.life.at_work()}") from error
