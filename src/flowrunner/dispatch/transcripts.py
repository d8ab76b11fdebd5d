"""Send what an agent streams, in batches: late readers see it, and nobody waits for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, TypeAlias

import structlog

from flowrunner.core.errors import UnavailableError
from flowrunner.dispatch.capture import Decoder
from flowrunner.wire.tasks import Chunk, storable

log = structlog.stdlib.get_logger()

Kind: TypeAlias = Literal["text", "stderr", "system"]
Append: TypeAlias = Callable[[Sequence[Chunk]], Awaitable[bool]]
"""False when the lease is not held any more: then nothing else needs to be sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptLimits:
    """A batch leaves when a second has passed or it is large; a task keeps *most_characters*."""

    pause_seconds: float = 1.0
    batch_characters: int = 32_768
    most_characters: int = 4 * 1024 * 1024
    last_seconds: float = 5.0
    """How long the end may take to be sent; the result must not wait for it for ever."""


class TranscriptWriter:
    """Takes pieces at any time, sends them from `run`; `run` ends after `close`."""

    def __init__(self, append: Append, limits: TranscriptLimits | None = None) -> None:
        self._append = append
        self._limits = limits or TranscriptLimits()
        self._decoders = {"text": Decoder(), "stderr": Decoder()}
        self._pending: list[tuple[Kind, str]] = []
        self._pending_size = 0
        self._taken = 0
        self._dropped = 0
        self._seq = 0
        self._unsent = 0
        self._closed = False
        self._changed = asyncio.Event()
        self._patience: asyncio.Timeout | None = None

    def feed(self, stream: Literal["text", "stderr"], piece: bytes) -> None:
        """Take the next bytes of a stream."""
        self._take(stream, self._decoders[stream].feed(piece))

    def write(self, kind: Literal["text", "system"], text: str) -> None:
        """Take text that somebody has read out of a stream, or says about it."""
        self._take(kind, storable(text))

    def close(self) -> None:
        """Nothing follows. What is left is sent, and what was not kept is counted (P11)."""
        for stream in ("text", "stderr"):
            self._take(stream, self._decoders[stream].feed(b"", final=True))
        if self._dropped:
            mark = f"[flowrunner: transcript cut, {self._dropped} more characters]"
            self._pending.append(("system", mark))
        self._closed = True
        self._changed.set()
        self._hurry()

    async def run(self) -> None:
        """Send until closed and empty, or until nobody wants it any more."""
        try:
            async with asyncio.timeout(None) as self._patience:
                self._hurry()
                await self._send_all()
        except TimeoutError:
            log.warning("transcript.unsent", characters=self._unsent + self._pending_size)
        finally:
            self._patience = None

    async def _send_all(self) -> None:
        earliest = time.monotonic()
        while not self._closed or self._pending:
            await self._fill_up(earliest)
            if not await self._send(self._cut()):
                return
            earliest = time.monotonic() + self._limits.pause_seconds

    def _hurry(self) -> None:
        if self._closed and self._patience is not None:
            now = asyncio.get_running_loop().time()
            self._patience.reschedule(now + self._limits.last_seconds)

    def _take(self, kind: Kind, text: str) -> None:
        kept = text[: max(0, self._limits.most_characters - self._taken)]
        self._taken += len(kept)
        self._dropped += len(text) - len(kept)
        if kept:
            self._pending.append((kind, kept))
            self._pending_size += len(kept)
            self._changed.set()

    async def _fill_up(self, earliest: float) -> None:
        """Wait until the batch is large, the pause is over, or the end has come."""
        while not self._closed and self._pending_size < self._limits.batch_characters:
            wait = earliest - time.monotonic() if self._pending else None
            if wait is not None and wait <= 0:
                return
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._changed.wait()

    async def _send(self, chunks: list[Chunk]) -> bool:
        self._unsent = sum(len(chunk.text) for chunk in chunks)
        delay = 0.2
        while chunks:
            try:
                is_wanted = await self._append(chunks)
            except UnavailableError as exc:
                log.warning("transcript.delayed", error=str(exc))
                await asyncio.sleep(delay)
                delay = min(5.0, delay * 2)
            else:
                self._unsent = 0
                return is_wanted
        return True

    def _cut(self) -> list[Chunk]:
        """Take what is pending as chunks: neighbours of a kind are one, and none is too large."""
        most = self._limits.batch_characters
        joined: list[tuple[Kind, str]] = []
        for kind, text in self._pending:
            if joined and joined[-1][0] == kind:
                joined[-1] = (kind, joined[-1][1] + text)
            else:
                joined.append((kind, text))
        self._pending, self._pending_size = [], 0
        chunks = [
            Chunk(seq=0, kind=kind, text=text[start : start + most])
            for kind, text in joined
            for start in range(0, len(text), most)
        ]
        first, self._seq = self._seq, self._seq + len(chunks)
        return [chunk.model_copy(update={"seq": first + n}) for n, chunk in enumerate(chunks)]
