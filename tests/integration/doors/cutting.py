"""A line to a server that drops event streams in the middle of what they say."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit

_FIRST_BYTES = 500
_MORE_BYTES = 300


class Cutter:
    """Passes requests on; the answer to each request for events is cut a little later each time."""

    def __init__(self, url: str) -> None:
        at = urlsplit(url)
        self._place = (at.hostname, at.port)
        self._server: asyncio.Server | None = None
        self.cuts = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        assert self._server is not None
        self._server.close()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            answer, question = await asyncio.open_connection(*self._place)
            question.write(head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            left = _FIRST_BYTES + _MORE_BYTES * self.cuts if b"/events" in head else 1 << 30
            while left > 0 and (part := await answer.read(min(left, 100))):
                left -= len(part)
                writer.write(part)
                await writer.drain()
            self.cuts += left <= 0
            question.close()
        writer.close()
