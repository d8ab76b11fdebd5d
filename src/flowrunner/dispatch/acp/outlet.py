"""The end of a pipe that an agent reads from: nobody waits for it but who writes."""

from __future__ import annotations

import asyncio
import os
from typing import IO

_PIECE_BYTES = 65536


class Outlet:
    """Writes what is put out, of any size, as fast as it is read. Close it once `run` has begun."""

    def __init__(self, outbox: asyncio.Queue[bytes], pipe: IO[bytes]) -> None:
        os.set_blocking(pipe.fileno(), False)
        self._outbox = outbox
        self._pipe = pipe
        self._running: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Write until closed, or until nobody reads any more."""
        self._running = asyncio.current_task()
        try:
            while not self._pipe.closed:
                await self._write(memoryview(await self._outbox.get()))
        except BrokenPipeError:
            pass  # It is gone, or wants to hear nothing; its end says more.

    def close(self) -> None:
        """The agent reads to the end of what was written, and then that nothing follows."""
        if not self._pipe.closed:
            asyncio.get_running_loop().remove_writer(self._pipe.fileno())
            self._pipe.close()
        if self._running is not None:
            self._running.cancel()

    async def _write(self, body: memoryview) -> None:
        while body:
            try:
                body = body[os.write(self._pipe.fileno(), body[:_PIECE_BYTES]) :]
            except BlockingIOError:
                await self._room()

    async def _room(self) -> None:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        number = self._pipe.fileno()

        def tell() -> None:
            loop.remove_writer(number)
            if not future.done():
                future.set_result(None)

        loop.add_writer(number, tell)
        await future
