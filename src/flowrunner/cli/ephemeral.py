"""A service for the length of one command: same database, same door, gone at the end."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import AsyncGenerator, Generator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager

from pydantic import SecretStr

from flowrunner.api.app import make_app
from flowrunner.bootstrap import Addresses, build_service, open_database
from flowrunner.bootstrap.http import HttpServer, bind
from flowrunner.bootstrap.serving import serving
from flowrunner.cli.configure import configure
from flowrunner.cli.connect import Own
from flowrunner.cli.shell import Shell
from flowrunner.engine.lifecycle import run_services
from flowrunner.settings import Settings


@contextmanager
def own_server(shell: Shell, own: Own) -> Generator[tuple[str, str]]:
    """Yield the url and the token of a service that only this process knows of."""
    token = secrets.token_urlsafe(32)
    settings = configure(shell, host="127.0.0.1", port=0, tokens=(SecretStr(token),))
    with open_database(settings) as addresses:
        block = _reading(settings, addresses)
        if own is not Own.READING:
            block = _moving(settings, addresses, with_worker=own is Own.WORKER)
        with _in_background(block) as url:
            yield url, token


@asynccontextmanager
async def _moving(
    settings: Settings, addresses: Addresses, *, with_worker: bool
) -> AsyncGenerator[str]:
    async with serving(settings, addresses, with_worker=with_worker) as served:
        yield served.url


@asynccontextmanager
async def _reading(settings: Settings, addresses: Addresses) -> AsyncGenerator[str]:
    """The door without the engine: looking at runs must not move any."""
    service = build_service(settings, addresses)
    http = HttpServer(make_app(service), bind(settings.host, settings.port))
    stop, started = asyncio.Event(), asyncio.Event()
    async with service.pool, asyncio.TaskGroup() as group:
        group.create_task(run_services([http], stop, started))
        await started.wait()
        try:
            yield f"http://127.0.0.1:{http.port}"
        finally:
            service.feed.close()
            stop.set()


@contextmanager
def _in_background(block: AbstractAsyncContextManager[str]) -> Generator[str]:
    """Run *block* in a thread with a loop of its own, while ours does what people see."""
    url: Future[str] = Future()
    stop: Future[None] = Future()

    async def work() -> None:
        async with block as given:
            url.set_result(given)
            await asyncio.wrap_future(stop)

    def run() -> None:
        try:
            asyncio.run(work())
        except BaseException as error:  # noqa: BLE001  # told in the thread that waits
            if not url.done():
                url.set_exception(error)
            else:
                failures.append(error)

    failures: list[BaseException] = []
    thread = threading.Thread(target=run, name="service", daemon=True)
    thread.start()
    try:
        yield url.result()
    finally:
        stop.set_result(None)
        thread.join()
    if failures:
        raise failures[0]
