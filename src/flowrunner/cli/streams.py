"""One attempt's transcript, read on from where it was last read."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from flowrunner.client import Client, NotFoundError
from flowrunner.wire.steps import Chunk


class Stream:
    """What an agent said in one attempt; chunks end anywhere, lines are given whole."""

    def __init__(
        self, client: Client, run: str, step: str, attempt: int, kinds: frozenset[str]
    ) -> None:
        self.step = step
        self.attempt = attempt
        self.is_told = False
        self._client, self._run, self._kinds = client, run, kinds
        self._cursor: int | None = None
        self._rest = ""
        self._is_ended = False

    def chunks(self) -> Iterator[Chunk]:
        """What came since the last time."""
        while not self._is_ended:
            try:
                page = self._client.transcript(
                    self._run, self.step, attempt=self.attempt, cursor=self._cursor
                )
            except NotFoundError:
                return
            yield from (chunk for chunk in page.items if chunk.kind in self._kinds)
            self._cursor, self._is_ended = page.next_cursor, page.ended
            if not page.items:
                return

    def lines(self, tail: int | None = None) -> Iterator[str]:
        """The whole lines that came; of the first ones only the last *tail*."""
        is_first = self._cursor is None
        found = self._lines()
        return iter(deque(found, maxlen=tail)) if tail is not None and is_first else found

    def _lines(self) -> Iterator[str]:
        for chunk in self.chunks():
            *whole, self._rest = (self._rest + chunk.text).split("\n")
            yield from whole
        if self._is_ended and self._rest:
            yield self._rest
            self._rest = ""
