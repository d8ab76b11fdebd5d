"""An address that nobody should ask: it keeps whatever it was sent."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast


@dataclass
class Trap:
    """Where it listens, and the requests it got: path, headers and body as one text each."""

    address: str = ""
    caught: list[str] = field(default_factory=list[str])


@contextmanager
def a_trap() -> Generator[Trap]:
    """Run a trap on a port of its own."""
    server = _Server(("127.0.0.1", 0), _Caught)
    server.trap = Trap(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.trap
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    trap: Trap
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is no error here."""


class _Caught(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's
        """Say nothing."""

    def do_GET(self) -> None:
        size = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(size).decode("utf-8", errors="replace")
        trap = cast("_Server", self.server).trap
        trap.caught.append(f"{self.path}\n{self.headers}\n{body}")
        self.send_response(404)
        self.send_header("content-length", "0")
        self.end_headers()

    do_POST = do_PUT = do_GET  # noqa: N815  # the base class's
