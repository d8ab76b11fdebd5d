"""A loop that looks now and then, sooner when told to, and survives a database that is away."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

from flowrunner.core.errors import UnavailableError
from flowrunner.db.pool import AWAY

log = structlog.stdlib.get_logger()


# Nothing was found and nobody said a word: the next look may wait longer, up to this many times.
_LONGER, _LONGEST = 1.5, 2.5


class Rounds:
    """Calls *look* every *seconds* (±20 %), and at once after `wake`.

    A look that says that it found nothing (False) is followed by longer and longer pauses.
    """

    def __init__(
        self, name: str, look: Callable[[], Awaitable[object]], seconds: Callable[[], float]
    ) -> None:
        self.name = name
        self._look = look
        self._seconds = seconds
        self._woken = asyncio.Event()
        self._stretch = 1.0

    def wake(self) -> None:
        """Look now. Never blocks; several wakes before the next look are one."""
        self._woken.set()

    def pause(self, found: object) -> float:
        """Seconds until the next look, after one that *found* something, nothing, or cannot say."""
        quieter = min(_LONGEST, self._stretch * _LONGER)
        self._stretch = quieter if found is False else 1.0
        # Replicas that started together must not look together for ever.
        return self._seconds() * self._stretch * random.uniform(0.8, 1.2)  # noqa: S311

    async def run(self, ready: asyncio.Event) -> None:
        """Look until cancelled. The first look happens at once, after *ready*."""
        ready.set()
        while True:
            found: object = True
            self._woken.clear()
            try:
                found = await self._look()
            except (*AWAY, UnavailableError) as error:
                log.warning("round.skipped", loop=self.name, error=str(error).strip())
            try:
                async with asyncio.timeout(self.pause(found)):
                    await self._woken.wait()
            except TimeoutError:
                pass
