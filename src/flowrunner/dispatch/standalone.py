"""A worker as a process of its own: the first signal drains it, the second ends it."""

from __future__ import annotations

import asyncio
import signal

from flowrunner.dispatch.worker import Worker

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


async def run_until_signalled(worker: Worker, ready: asyncio.Event) -> None:
    """Run until SIGTERM or SIGINT, then drain; a second signal kills the agents at once."""
    loop = asyncio.get_running_loop()
    asked, insisted = asyncio.Event(), asyncio.Event()

    def heard() -> None:
        (insisted if asked.is_set() else asked).set()

    for number in _SIGNALS:
        loop.add_signal_handler(number, heard)
    try:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(worker.run(ready))
            insisting = group.create_task(insisted.wait())
            draining = group.create_task(_drain(worker, asked))
            stages = (running, insisting, draining)
            await asyncio.wait(stages, return_when=asyncio.FIRST_COMPLETED)
            for stage in stages:
                stage.cancel()
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


async def _drain(worker: Worker, asked: asyncio.Event) -> None:
    await asked.wait()
    await worker.drain()
