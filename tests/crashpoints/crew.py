"""A worker whose agents answer at once, and the book of what they were paid for.

Claims, leases, delivery and hints are the product's; only the agent's program is played here.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from flowrunner.bootstrap.service import Service, lease_times
from flowrunner.core.errors import UnavailableError
from flowrunner.dispatch.agents import Surroundings
from flowrunner.dispatch.delivery import Delivery
from flowrunner.dispatch.kit import Kit
from flowrunner.dispatch.polling import Polling
from flowrunner.dispatch.ports import Receipt, Task, TaskPort
from flowrunner.dispatch.process import ProcessLimits
from flowrunner.dispatch.sql import SqlTasks
from flowrunner.dispatch.worker import Worker, WorkerTimes
from flowrunner.leases.ports import Profile
from flowrunner.leases.sql import SqlLeases, reaching
from flowrunner.wire.tasks import Chunk, TaskReport, TranscriptRequest

Play: TypeAlias = Callable[[Task], Awaitable[TaskReport]]
"""What an agent does with its task."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An agent's answer, as its worker knows of it."""

    key: str
    attempt: int
    epoch: int
    outcome: str
    text: str | None


@dataclass(slots=True)
class Book:
    """*begun*: agents that were started. *kept*: answers that were acknowledged. *refused*: as late."""

    begun: list[tuple[str, int, int]] = field(default_factory=list[tuple[str, int, int]])
    kept: list[Entry] = field(default_factory=list[Entry])
    refused: list[Entry] = field(default_factory=list[Entry])


class _Port(TaskPort):
    """Reports as a worker inside the service does, and notes what was acknowledged."""

    def __init__(self, service: Service, book: Book, inbox: TaskPort | None) -> None:
        self._tasks = service.tasks
        self._book = book
        self._inbox = inbox

    async def report(self, task: Task, report: TaskReport) -> Receipt:
        entry = Entry(task.step_key, task.attempt, task.epoch, report.outcome, report.output)
        if self._inbox is not None:
            receipt = await self._inbox.report(task, report)
            self._book.kept.append(entry)
            return receipt
        with reaching():
            reply = await self._tasks.report(task.task_id, report)
        known = self._book.kept if reply.verdict == "accepted" else self._book.refused
        known.append(entry)
        return "settled"

    async def append(self, task: Task, chunks: Sequence[Chunk]) -> bool:
        with reaching():
            request = TranscriptRequest(epoch=task.epoch, chunks=tuple(chunks))
            return await self._tasks.append(task.task_id, request)


class Crew(Worker):
    """The product's worker, but for the agent's process."""

    def __init__(self, play: Play, book: Book, port: TaskPort, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._play = play
        self._book = book
        self._append = port.append

    async def _report_of(self, serving: Any) -> TaskReport:
        task: Task = serving.task
        self._book.begun.append((task.step_key, task.attempt, task.epoch))
        with suppress(UnavailableError):
            await self._append(task, [Chunk(seq=1, kind="text", text=task.step_key)])
        return await self._play(task)


def a_crew(service: Service, play: Play, book: Book, *, inbox: bool) -> Crew:
    """The worker that lives in *service*; with *inbox* it leaves its word through SQL."""
    settings = service.settings
    profile = Profile("crew", "here", os.getpid(), settings.queues, settings.slots, "test")
    leases = SqlLeases(service.lease_pool, profile, settings.lease_seconds)
    port = _Port(service, book, SqlTasks(service.pool) if inbox else None)
    kit = Kit(around=Surroundings.of({}), room=Path(os.devnull).parent, limits=ProcessLimits())
    times = WorkerTimes(
        lease=lease_times(settings),
        polling=Polling(least_seconds=0.5, most_seconds=1.0),
        delivery=Delivery(first_seconds=0.1, most_seconds=0.5),
    )

    async def hints(on_tasks: Callable[[], None], on_losses: Callable[[], None]) -> None:
        service.signals.on_tasks.append(lambda _queues: on_tasks())
        service.signals.on_leases.append(on_losses)
        await asyncio.sleep(0)

    crew = Crew(play, book, port, profile, leases, port, kit, times=times, hints=hints)
    service.seating.add(crew.places)
    return crew
