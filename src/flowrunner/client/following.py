"""A run's events to the end, each once and in order, however often the line drops.

The rules are pure and the same for both clients; what differs is only how a line is read.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterable

from flowrunner.client.errors import UnreachableError
from flowrunner.client.sse import Reader
from flowrunner.client.transport import AsyncTransport, Transport
from flowrunner.wire.events import Event

_END = "end"
_DELAY_SECONDS = 0.5


class _Cursor:
    """How far the run is known, when the server was last heard, and whether anything follows."""

    def __init__(self, after: int, *, is_sparse: bool = False) -> None:
        self.after: int = after
        self._is_sparse = is_sparse
        self.is_ended = False
        self.is_cut = False
        self._reader = Reader()
        self._heard = time.monotonic()

    def opened(self, chunks: object) -> None:
        """Begin a connection; None for *chunks* says that nothing will ever follow."""
        self.is_ended = self.is_cut = chunks is None
        self._reader = Reader()
        self._heard = time.monotonic()

    def until_cut(self, chunks: Iterable[str]) -> Generator[str]:
        for chunk in chunks:
            yield chunk
            if self.is_cut:
                return

    def is_lost(self, patience: float) -> bool:
        return time.monotonic() - self._heard > patience

    def take(self, chunk: str) -> Generator[Event]:
        """Yield the events that follow; afterwards `is_cut` says whether to stop reading here."""
        for message in self._reader.feed(chunk):
            if message.event == _END:
                self.is_ended = self.is_cut = True
                return
            if not message.id:
                continue
            event = Event.model_validate_json(message.data)
            is_next = event.seq > self.after if self._is_sparse else event.seq == self.after + 1
            if not is_next:
                # A hole that was not asked for is a fault on the way: read on from the cursor.
                self.is_cut = True
                return
            self.after = event.seq
            self._heard = time.monotonic()
            yield event

    def pass_on(self, chunk: str) -> Generator[Event]:
        """Yield whatever comes: events of many runs have no common order to check."""
        self._heard = time.monotonic()
        for message in self._reader.feed(chunk):
            yield Event.model_validate_json(message.data)


def follow(
    transport: Transport, path: str, after: int, *, is_sparse: bool = False
) -> Generator[Event]:
    """Yield the events after *after* until the run's last; *is_sparse*: some were left out.

    Comes back with its cursor when the stream ends early. Raises UnreachableError when nothing
    was heard for the transport's patience.
    """
    cursor = _Cursor(after, is_sparse=is_sparse)
    while True:
        try:
            with transport.stream(path, cursor.after) as chunks:
                cursor.opened(chunks)
                for chunk in cursor.until_cut(chunks or ()):
                    yield from cursor.take(chunk)
        except UnreachableError:
            if cursor.is_lost(transport.patience):
                raise
        if cursor.is_ended:
            return
        time.sleep(_pause())


async def follow_async(
    transport: AsyncTransport, path: str, after: int, *, is_sparse: bool = False
) -> AsyncGenerator[Event]:
    """As `follow`."""
    cursor = _Cursor(after, is_sparse=is_sparse)
    while True:
        try:
            async with transport.stream(path, cursor.after) as chunks:
                cursor.opened(chunks)
                async for event in _heard(cursor, chunks, cursor.take):
                    yield event
        except UnreachableError:
            if cursor.is_lost(transport.patience):
                raise
        if cursor.is_ended:
            return
        await asyncio.sleep(_pause())


def watch(transport: Transport, path: str) -> Generator[Event]:
    """Yield what a stream without an end and without a cursor brings, from now on.

    Raises UnreachableError when nothing was heard for the transport's patience.
    """
    cursor = _Cursor(0)
    while True:
        try:
            with transport.stream(path, None) as chunks:
                cursor.opened(chunks)
                for chunk in chunks or ():
                    yield from cursor.pass_on(chunk)
        except UnreachableError:
            if cursor.is_lost(transport.patience):
                raise
        time.sleep(_pause())


async def watch_async(transport: AsyncTransport, path: str) -> AsyncGenerator[Event]:
    """As `watch`."""
    cursor = _Cursor(0)
    while True:
        try:
            async with transport.stream(path, None) as chunks:
                cursor.opened(chunks)
                async for event in _heard(cursor, chunks, cursor.pass_on):
                    yield event
        except UnreachableError:
            if cursor.is_lost(transport.patience):
                raise
        await asyncio.sleep(_pause())


async def _heard(
    cursor: _Cursor,
    chunks: AsyncIterator[str] | None,
    read: Callable[[str], Generator[Event]],
) -> AsyncGenerator[Event]:
    if chunks is None:
        return
    async for chunk in chunks:
        for event in read(chunk):
            yield event
        if cursor.is_cut:
            return


def _pause() -> float:
    """Clients that were cut off together should not come back together."""
    return _DELAY_SECONDS * random.uniform(0.5, 1.5)  # noqa: S311
