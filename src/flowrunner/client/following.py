"""A run's events to the end, each once and in order, however often the line drops."""

from __future__ import annotations

import random
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass

from flowrunner.client import sse
from flowrunner.client.errors import UnreachableError
from flowrunner.client.transport import Transport
from flowrunner.wire.events import ENDS, Event

_END = "end"
_DELAY_SECONDS = 0.5


@dataclass(slots=True)
class _Cursor:
    """How far the run is known, when the server was last heard, and whether anything follows."""

    after: int
    heard: float
    ended: bool = False


def follow(transport: Transport, path: str, after: int) -> Generator[Event]:
    """Yield the events after *after* until the run's last.

    Comes back with its cursor when the stream ends early. Raises UnreachableError when nothing
    was heard for the transport's patience.
    """
    cursor = _Cursor(after, time.monotonic())
    while True:
        try:
            with transport.stream(path, cursor.after) as chunks:
                cursor.heard = time.monotonic()
                yield from _events(chunks, cursor)
        except UnreachableError:
            if time.monotonic() - cursor.heard > transport.patience:
                raise
        if cursor.ended:
            return
        # Clients that were cut off together should not come back together.
        time.sleep(_DELAY_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311


def _events(chunks: Iterator[str] | None, cursor: _Cursor) -> Generator[Event]:
    """Yield what one connection brings; a cut one just stops."""
    cursor.ended = chunks is None
    for message in sse.messages(sse.lines(chunks or ())):
        if message.event == _END:
            cursor.ended = True
            return
        if not message.id:
            continue
        event = Event.model_validate_json(message.data)
        if event.seq != cursor.after + 1:
            # A hole can only be a fault on the way: read it again from the cursor.
            return
        cursor.after, cursor.heard = event.seq, time.monotonic()
        cursor.ended = event.type in ENDS
        yield event
        if cursor.ended:
            return
