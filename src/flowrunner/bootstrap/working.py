"""Wire a worker: inside a service, where results need no detour, or as a process of its own."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager

from flowrunner import __version__
from flowrunner.bootstrap.agents import make_kit, preflight_of
from flowrunner.bootstrap.database import Addresses
from flowrunner.bootstrap.pools import make_service_pool
from flowrunner.bootstrap.service import Service, lease_times
from flowrunner.core.errors import NotFoundError
from flowrunner.dispatch.polling import Polling
from flowrunner.dispatch.ports import Hints, Receipt, Task
from flowrunner.dispatch.sql import SqlHints, SqlTasks
from flowrunner.dispatch.worker import Worker, WorkerTimes
from flowrunner.leases.ports import Profile
from flowrunner.leases.sql import SqlLeases, reaching
from flowrunner.service.tasks import TaskService
from flowrunner.settings import Settings
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
    kit, port = make_kit(settings), _ServiceTasks(service.tasks)
    service.runs.preflight.ask(preflight_of(kit))
    worker = Worker(profile, leases, port, kit, times=_times(settings), hints=_local_hints(service))
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
        kit, times = make_kit(settings), _times(settings)
        yield Worker(profile, leases, SqlTasks(pool), kit, times=times, hints=hints)


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


def _times(settings: Settings) -> WorkerTimes:
    return WorkerTimes(
        lease=lease_times(settings),
        polling=Polling(most_seconds=max(1.0, settings.poll_seconds)),
        drain_seconds=settings.drain_seconds,
    )


def _local_hints(service: Service) -> Hints:
    async def tell(on_tasks: Callable[[], None], on_losses: Callable[[], None]) -> None:
        service.signals.on_tasks.append(lambda _queues: on_tasks())
        service.signals.on_leases.append(on_losses)

    return tell
