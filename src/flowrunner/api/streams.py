"""A run's events as server-sent events: numbered, resumable, and never in the way of a stop."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator

from flowrunner.db.events import EventRow
from flowrunner.service.roster import Roster
from flowrunner.wire.events import ENDS, Event

PING_SECONDS = 15.0
MOST_STREAMS = 256
_RETRY_MS = 2000


class Streams:
    """The open streams of one process; closing the feed ends them, so a stop waits for none."""

    def __init__(self, ping_seconds: float = PING_SECONDS, most: int = MOST_STREAMS) -> None:
        self._ping_seconds = ping_seconds
        self._most = most
        self.count = 0

    @property
    def is_full(self) -> bool:
        return self.count >= self._most

    async def frames(self, rows: AsyncIterator[EventRow], roster: Roster) -> AsyncGenerator[str]:
        """Yield what goes over the line until the run's last event, or until the feed closes."""
        self.count += 1
        following: asyncio.Task[EventRow] | None = None
        try:
            # Clients that were cut off together should not come back together.
            yield f"retry: {_RETRY_MS + random.randrange(_RETRY_MS)}\n\n"  # noqa: S311
            while True:
                following = following or asyncio.ensure_future(anext(rows))
                await asyncio.wait((following,), timeout=self._ping_seconds)
                if not following.done():
                    yield ": ping\n\n"
                    continue
                row = _row(following)
                if row is None:
                    return
                following = None
                event = roster.show(row)
                yield frame(event)
                if event.type in ENDS:
                    yield end_frame(event)
                    return
        finally:
            self.count -= 1
            await _abandon(following, rows)


def frame(event: Event) -> str:
    """One event; its id is what Last-Event-ID sends back."""
    return f"id: {event.seq}\nevent: {event.type}\ndata: {event.model_dump_json()}\n\n"


def end_frame(last: Event) -> str:
    """Nothing follows. It has no id, so that the last event's stays the client's cursor."""
    status = last.type.removeprefix("run.")
    return f'event: end\ndata: {{"run_id":"{last.run_id}","status":"{status}"}}\n\n'


def _row(following: asyncio.Task[EventRow]) -> EventRow | None:
    try:
        return following.result()
    except StopAsyncIteration:
        return None


async def _abandon(following: asyncio.Task[EventRow] | None, rows: AsyncIterator[EventRow]) -> None:
    if following is not None and not following.done():
        following.cancel()
        await asyncio.wait((following,))
    if isinstance(rows, AsyncGenerator):
        await rows.aclose()
