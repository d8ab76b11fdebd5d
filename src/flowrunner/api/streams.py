"""Events as server-sent events: numbered, resumable, and never in the way of a stop."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import TypeVar
from uuid import UUID

from flowrunner.db.events import EventRow
from flowrunner.service.roster import Roster
from flowrunner.service.sifting import Sieve
from flowrunner.wire.events import ENDS, LAST, Event

T = TypeVar("T")

PING_SECONDS = 15.0
MOST_STREAMS = 256
_PING = ": ping\n\n"
_RETRY_MS = 2000
_OPEN = Sieve()


class Streams:
    """The open streams of one process; closing the feed ends them, so a stop waits for none."""

    def __init__(self, ping_seconds: float = PING_SECONDS, most: int = MOST_STREAMS) -> None:
        self._ping_seconds = ping_seconds
        self._most = most
        self.count = 0

    @property
    def is_full(self) -> bool:
        return self.count >= self._most

    async def frames(
        self,
        rows: AsyncIterator[EventRow],
        roster: Roster,
        status: str = "",
        sieve: Sieve = _OPEN,
    ) -> AsyncGenerator[str]:
        """Yield what goes over the line until the run's last event, or until the feed closes.

        *status* is how the run stood when the stream was opened. What *sieve* holds back is not
        sent, and still counts: who comes back with an id is given what followed it.
        """
        last: Event | None = None
        yield _retry()
        async with aclosing(self.paced(rows)) as paced:
            async for row in paced:
                if row is None:
                    yield _PING
                    continue
                last = roster.show(row)
                status = last.type.removeprefix("run.") if last.type in ENDS else status
                if sieve.lets(last):
                    yield frame(last)
        if last is not None and last.type in LAST:
            yield end_frame(last.run_id, status)

    async def loose(self, events: AsyncIterator[Event]) -> AsyncGenerator[str]:
        """Yield events of many runs: they have no common number, and so no id to come back with."""
        yield _retry()
        async with aclosing(self.paced(events)) as paced:
            async for event in paced:
                yield _PING if event is None else _message(event)

    async def paced(self, rows: AsyncIterator[T]) -> AsyncGenerator[T | None]:
        """Yield what *rows* yields, and None whenever it was silent for too long."""
        self.count += 1
        following: asyncio.Task[T] | None = None
        try:
            while True:
                following = following or asyncio.ensure_future(anext(rows))
                await asyncio.wait((following,), timeout=self._ping_seconds)
                if not following.done():
                    yield None
                    continue
                try:
                    row = following.result()
                except StopAsyncIteration:
                    return
                following = None
                yield row
        finally:
            self.count -= 1
            await _abandon(following, rows)


def frame(event: Event) -> str:
    """One event; its id is what Last-Event-ID sends back."""
    return f"id: {event.seq}\n{_message(event)}"


def end_frame(run_id: UUID, status: str) -> str:
    """Nothing follows. It has no id, so that the last event's stays the client's cursor."""
    return f'event: end\ndata: {{"run_id":"{run_id}","status":"{status}"}}\n\n'


def _message(event: Event) -> str:
    return f"event: {event.type}\ndata: {event.model_dump_json()}\n\n"


def _retry() -> str:
    """Clients that were cut off together should not come back together."""
    return f"retry: {_RETRY_MS + random.randrange(_RETRY_MS)}\n\n"  # noqa: S311


async def _abandon(following: asyncio.Task[T] | None, rows: AsyncIterator[T]) -> None:
    if following is not None:
        following.cancel()
        await asyncio.wait((following,))
        if not following.cancelled():
            # It ended, well or not, in the very moment in which nobody waited for it any more.
            following.exception()
    if isinstance(rows, AsyncGenerator):
        await rows.aclose()
