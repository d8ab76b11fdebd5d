"""A door on a real socket, for what needs a network: streams, clients, commands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from flowrunner.api.app import make_app
from flowrunner.bootstrap.http import HttpServer, bind
from flowrunner.bootstrap.service import Service


@asynccontextmanager
async def served(service: Service, port: int = 0) -> AsyncGenerator[str]:
    """Serve the door of a running replica on loopback; yield its url."""
    http = HttpServer(make_app(service), bind("127.0.0.1", port))
    ready = asyncio.Event()
    task = asyncio.create_task(http.run(ready), name="http")
    await ready.wait()
    try:
        yield f"http://127.0.0.1:{http.port}"
    finally:
        task.cancel()
        await asyncio.wait([task])
