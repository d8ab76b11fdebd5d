"""The HTTP server as a service among the others: its sockets are opened before it says ready."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Generator

import uvicorn
from starlette.types import ASGIApp

from flowrunner.core.errors import FlowRunnerError

# Streams end by themselves when the feed closes; this bounds clients that do not read.
_GRACE_SECONDS = 3


class BindError(FlowRunnerError):
    """The address cannot be listened on."""

    code = "bind"


def bind(host: str, port: int) -> socket.socket:
    """Open the listening socket. Raises BindError; port 0 takes any free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named: asyncio turns Nagle's delay off only for sockets that say they are TCP, and with it
    # every answer would wait 40 ms for the client's acknowledgement of its headers.
    opened = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((host, port))
    except OSError as error:
        opened.close()
        raise BindError(
            f"cannot listen on {host}:{port}: {error.strerror}", hint="try another --port"
        ) from error
    return opened


class _Quiet(uvicorn.Server):
    """Signals are the command's business, not the server's; *begun* is set once it listens."""

    def __init__(self, config: uvicorn.Config, begun: asyncio.Event) -> None:
        super().__init__(config)
        self._begun = begun

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._begun.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


class HttpServer:
    """Serves *app* on an open socket until cancelled, then lets requests end for a moment."""

    name = "http"

    def __init__(self, app: ASGIApp, opened: socket.socket) -> None:
        self._app = app
        self._socket = opened

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    async def run(self, ready: asyncio.Event) -> None:
        config = uvicorn.Config(
            self._app,
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=_GRACE_SECONDS,
            server_header=False,
        )
        server = _Quiet(config, ready)
        serving = asyncio.create_task(server.serve(sockets=[self._socket]), name="uvicorn")
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            server.should_exit = True
            await serving
            raise
