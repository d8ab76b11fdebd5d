"""Wire a worker: inside a service, where results need no detour, or as a process of its own."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import gettempdir

from flowrunner import __version__
from flowrunner.bootstrap.database import Addresses
from flowrunner.bootstrap.pools import make_service_pool
from flowrunner.bootstrap.service import Service, lease_times
from flowrunner.core.errors import NotFoundError
from flowrunner.dispatch.adapters.installed import site_of
from flowrunner.dispatch.agents import DEFAULT_AGENTS, Surroundings, parse_agents
from flowrunner.dispatch.gates.wall import Wall
from flowrunner.dispatch.kit import Kit
from flowrunner.dispatch.polling import Polling
from flowrunner.dispatch.ports import Hints, Receipt, Task, TaskPort
from flowrunner.dispatch.process import ProcessLimits
from flowrunner.dispatch.sql import SqlHints, SqlTasks
from flowrunner.dispatch.worker import Worker, WorkerTimes
from flowrunner.embedded.home import data_home
from flowrunner.leases.ports import Profile
from flowrunner.leases.sql import SqlLeases, reaching
from flowrunner.service.tasks import TaskService
from flowrunner.settings import Settings, environment
from flowrunner.wire.tasks import Chunk, TaskReport, TranscriptRequest


class _ServiceTasks:
    """Results and transcripts go straight to the service in this process.

    A database that is away is no fault of the agent's: the worker tries again (P3).
    """

    def __init__(self, tasks: TaskService) -> None:
        self._tasks = tasks

    async def report(self, task: Task, report: TaskReport) -> Receipt:
        try:
            with reaching():
                await self._tasks.report(task.task_id, report)
        except NotFoundError:
            # The run is gone, by retention or by hand: nothing is left to do.
            return "settled"
        return "settled"

    async def append(self, task: Task, chunks: Sequence[Chunk]) -> bool:
        request = TranscriptRequest(epoch=task.epoch, chunks=tuple(chunks))
        with reaching():
            return await self._tasks.append(task.task_id, request)


def build_worker(settings: Settings, service: Service) -> Worker:
    """Wire the worker that lives in *service*; run it as one of its loops."""
    profile = profile_of(settings)
    leases = SqlLeases(service.lease_pool, profile, settings.lease_seconds)
    worker = _worker(settings, profile, leases, _ServiceTasks(service.tasks), _local_hints(service))
    service.seating.add(worker.places)
    return worker


@asynccontextmanager
async def working(settings: Settings, addresses: Addresses) -> AsyncGenerator[Worker]:
    """Yield a worker for a process of its own: leases, results and hints go over SQL."""
    profile = profile_of(settings)
    pool = make_service_pool(settings, addresses, "flowrunner-worker", 4)
    lease_pool = make_service_pool(settings, addresses, "flowrunner-leases", 2)
    hints = None if settings.notify_mode == "off" else SqlHints(addresses.listen, profile.queues)
    async with pool, lease_pool:
        leases = SqlLeases(lease_pool, profile, settings.lease_seconds)
        yield _worker(settings, profile, leases, SqlTasks(pool), hints)


def profile_of(settings: Settings) -> Profile:
    host = socket.gethostname()
    return Profile(
        name=f"{host}-{os.getpid()}",
        host=host,
        pid=os.getpid(),
        queues=settings.queues,
        slots=settings.slots,
        version=__version__,
    )


def _worker(
    settings: Settings, profile: Profile, leases: SqlLeases, port: TaskPort, hints: Hints | None
) -> Worker:
    kit = make_kit(settings)
    polling = Polling(most_seconds=max(1.0, settings.poll_seconds))
    times = WorkerTimes(
        lease=lease_times(settings), polling=polling, drain_seconds=settings.drain_seconds
    )
    return Worker(profile, leases, port, kit, times=times, hints=hints)


def make_kit(settings: Settings) -> Kit:
    """Read the operator's agents; nothing is started. Raises InvalidInputError."""
    own = environment()
    around, room = Surroundings.of(own), _room(settings)
    return Kit(
        around=around,
        room=room,
        agents={**DEFAULT_AGENTS, **parse_agents(settings.agents)},
        limits=_limits(settings),
        wall=Wall(settings.wall, room, around.path),
        site=site_of(settings.agents_dir),
        environment=own,
        leave_out=(_home(settings),),
    )


def _limits(settings: Settings) -> ProcessLimits:
    """A silent worker's agents must be gone before its leases can end (P2)."""
    limits = ProcessLimits()
    longest = settings.lease_margin_seconds / 2
    return replace(limits, watchdog_seconds=min(limits.watchdog_seconds, longest))


def _room(settings: Settings) -> Path:
    """Where agents' private folders lie: never below /tmp, where projects may lie as well."""
    home = _home(settings)
    return home / "agents" if home.is_absolute() else Path(gettempdir()) / "flowrunner-agents"


def _home(settings: Settings) -> Path:
    return settings.data if settings.data is not None else data_home()


def _local_hints(service: Service) -> Hints:
    async def tell(on_tasks: Callable[[], None], on_losses: Callable[[], None]) -> None:
        service.signals.on_tasks.append(lambda _queues: on_tasks())
        service.signals.on_leases.append(on_losses)

    return tell
