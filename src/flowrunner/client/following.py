"""A run's events to the end, each once and in order, however often the line drops."""

from __future__ import annotations

import random
import time
from collections.abc import Generator, Iterator

from flowrunner.client import sse
from flowrunner.client.errors import UnreachableError
from flowrunner.client.transport import Transport
from flowrunner.wire.events import ENDS, Event

_END = "end"
_DELAY_SECONDS = 0.5


def follow(transport: Transport, path: str, after: int) -> Generator[Event]:
    """Yield the events after *after* until the run's last.

    Comes back with its cursor when the stream ends early. Raises UnreachableError when nothing
    was heard for the transport's patience.
    """
    heard = time.monotonic()
    while True:
        try:
            with transport.stream(path, after) as chunks:
                heard = time.monotonic()
                if chunks is None:
                    return
                for event in _events(chunks):
                    if event is None:
                        return
                    if event.seq != after + 1:
                        # A hole can only be a fault on the way: read it again from the cursor.
                        break
                    after = event.seq
                    heard = time.monotonic()
                    yield event
                    if event.type in ENDS:
                        return
        except UnreachableError:
            if time.monotonic() - heard > transport.patience:
                raise
        # Clients that were cut off together should not come back together.
        time.sleep(_DELAY_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311


def _events(chunks: Iterator[str]) -> Iterator[Event | None]:
    """Yield events, and None at the stream's own end; a cut connection just stops."""
    for message in sse.messages(sse.lines(chunks)):
        if message.event == _END:
            yield None
        elif message.id:
            yield Event.model_validate_json(message.data)
