"""Run a whole server, or a service for the length of one command."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from flowrunner.api.app import make_app
from flowrunner.bootstrap.database import Addresses
from flowrunner.bootstrap.http import HttpServer, bind
from flowrunner.bootstrap.service import Service, build_service, running
from flowrunner.bootstrap.working import build_worker
from flowrunner.dispatch.worker import Worker
from flowrunner.engine.lifecycle import Service as Running
from flowrunner.settings import Settings

log = structlog.stdlib.get_logger()


@dataclass(frozen=True, slots=True)
class Served:
    """A server that answers now."""

    service: Service
    url: str
    worker: Worker | None


@asynccontextmanager
async def serving(
    settings: Settings, addresses: Addresses, *, with_http: bool = True, with_worker: bool = True
) -> AsyncGenerator[Served]:
    """Run a replica while the block runs; leaving it drains the worker and stops the loops."""
    service = build_service(settings, addresses)
    more: list[Running] = []
    worker = build_worker(settings, service) if with_worker else None
    if worker is not None:
        more.append(worker)
    url = ""
    if with_http:
        http = HttpServer(make_app(service), bind(settings.host, settings.port))
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        url = f"http://{host}:{http.port}"
        more.append(http)
    async with running(service, *more):
        try:
            yield Served(service, url, worker)
        finally:
            # Streams first: an open one would hold up the server's stop.
            service.feed.close()
            if worker is not None:
                await worker.drain()


async def until_stopped(hasten: Callable[[], None]) -> None:
    """Wait for SIGTERM or SIGINT; a second one calls *hasten*, a third one ends the process."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    seen = 0

    def stopped() -> None:
        nonlocal seen
        seen += 1
        log.info("server.stopping", signals=seen)
        stop.set()
        if seen == 2:  # noqa: PLR2004  # the second signal
            hasten()
        elif seen > 2:  # noqa: PLR2004  # whoever sends a third one means it
            os._exit(1)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped)
    await stop.wait()
