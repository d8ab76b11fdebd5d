"""A loop that looks now and then, sooner when told to, and survives a database that is away."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

from flowrunner.core.errors import UnavailableError
from flowrunner.db.pool import AWAY

log = structlog.stdlib.get_logger()


class Rounds:
    """Calls *look* every *seconds* (±20 %), and at once after `wake`."""

    def __init__(
        self, name: str, look: Callable[[], Awaitable[object]], seconds: Callable[[], float]
    ) -> None:
        self.name = name
        self._look = look
        self._seconds = seconds
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Look now. Never blocks; several wakes before the next look are one."""
        self._woken.set()

    async def run(self, ready: asyncio.Event) -> None:
        """Look until cancelled. The first look happens at once, after *ready*."""
        ready.set()
        while True:
            self._woken.clear()
            try:
                await self._look()
            except (*AWAY, UnavailableError) as error:
                log.warning("round.skipped", loop=self.name, error=str(error).strip())
            # Replicas that started together must not look together for ever.
            pause = self._seconds() * random.uniform(0.8, 1.2)  # noqa: S311
            try:
                async with asyncio.timeout(pause):
                    await self._woken.wait()
            except TimeoutError:
                pass
