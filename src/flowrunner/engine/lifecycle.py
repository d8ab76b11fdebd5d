"""Start services in order, stop them in reverse, and never outlive one that died."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Protocol

import structlog

log = structlog.stdlib.get_logger()


class Service(Protocol):
    """A loop with a name; stopping it means cancelling it."""

    @property
    def name(self) -> str: ...

    async def run(self, ready: asyncio.Event) -> None:
        """Work until cancelled; set *ready* once able to serve."""
        ...


async def run_services(
    services: Sequence[Service], stop: asyncio.Event, started: asyncio.Event | None = None
) -> None:
    """Run until *stop*; a service that ends by itself takes the others down with its error."""
    async with asyncio.TaskGroup() as group:
        running: list[asyncio.Task[None]] = []
        watch = group.create_task(_watch(running, stop), name="lifecycle")
        for service in services:
            ready = asyncio.Event()
            running.append(group.create_task(service.run(ready), name=service.name))
            await ready.wait()
            log.debug("service.started", service=service.name)
        if started is not None:
            started.set()
        await stop.wait()
        watch.cancel()
        for task in reversed(running):
            task.cancel()
            await asyncio.wait([task])
            log.debug("service.stopped", service=task.get_name())


@asynccontextmanager
async def beside(services: Sequence[Service]) -> AsyncGenerator[None]:
    """Run *services* while the block runs, and raise what one of them died of, in the block too.

    A process that lives on without them answers nobody, and nobody would start it again.
    """
    stop, started = asyncio.Event(), asyncio.Event()
    loops = asyncio.create_task(run_services(services, stop, started))
    begun = asyncio.create_task(started.wait())
    await asyncio.wait((loops, begun), return_when=asyncio.FIRST_COMPLETED)
    try:
        if not loops.done():
            with _cancelled_with(loops):
                yield
    finally:
        begun.cancel()
        stop.set()
        await loops


@contextmanager
def _cancelled_with(loops: asyncio.Task[None]) -> Generator[None]:
    block, is_over = asyncio.current_task(), False

    def end(_loops: object) -> None:
        if block is not None and not is_over:
            log.error("service.died", exc_info=None if loops.cancelled() else loops.exception())
            block.cancel()

    loops.add_done_callback(end)
    try:
        yield
    finally:
        is_over = True


async def _watch(running: Sequence[asyncio.Task[None]], stop: asyncio.Event) -> None:
    while not stop.is_set():
        await asyncio.sleep(0.5)
        for task in running:
            if task.done() and not task.cancelled() and task.exception() is None:
                raise RuntimeError(f"service {task.get_name()} ended by itself")
