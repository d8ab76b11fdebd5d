"""Follows a run: a live picture on a terminal, a line per change elsewhere."""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from enum import Enum

from flowrunner.cli.board import Board
from flowrunner.cli.shell import Shell
from flowrunner.cli.text import span
from flowrunner.cli.watching import Wanted
from flowrunner.client import Client
from flowrunner.wire.events import Event

# Events that belong together come together: what looks settled must stay so for a moment.
_QUIET_SECONDS = 0.3


class Stop(Enum):
    """Why following ended."""

    ENDED = "ended"
    WAITING = "waiting"
    STARTED = "started"
    TIMEOUT = "timeout"


def follow(
    shell: Shell, board: Board, client: Client, wanted: Wanted, leave: Callable[[Board], str]
) -> Stop:
    """Show the run on stderr until it is as *wanted*. Raises KeyboardInterrupt at Ctrl-C.

    *leave* says what that key would do now.
    """
    happenings = _Happenings(client.events(board.run_id))
    is_live = sys.stderr.isatty() and not shell.is_quiet
    turn = threading.Lock()
    if not is_live:
        return _take(board, happenings, wanted, shell.tell, turn)
    from flowrunner.cli.live import live  # noqa: PLC0415  # only a terminal needs it

    with live(shell, board, client, leave, turn):
        return _take(board, happenings, wanted, lambda _line: None, turn)


def summary(board: Board) -> str:
    """How it ended, in one line."""
    done, total = board.counted
    took = board.elapsed(datetime.now(UTC))
    told = f"{board.short_id} {board.status} in {span(took)}, {done}/{total} steps"
    if board.status == "completed":
        return f"{told}, outcome {board.outcome}{', degraded' if board.degraded else ''}"
    return f"{told}: {board.error}" if board.error else told


class _Happenings:
    """Events as they come, read in a thread: whoever waits for one may stop waiting."""

    def __init__(self, events: Iterable[Event]) -> None:
        self._queue: queue.SimpleQueue[Event | Exception | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, args=(events,), name="events", daemon=True).start()

    def next(self, seconds: float | None) -> Event | None:
        """None after the last one. Raises queue.Empty after *seconds*, and what reading raised."""
        found = self._queue.get(timeout=seconds)
        if isinstance(found, Exception):
            raise found
        return found

    def _read(self, events: Iterable[Event]) -> None:
        try:
            for event in events:
                self._queue.put(event)
            self._queue.put(None)
        except Exception as error:  # noqa: BLE001  # raised again where it is waited for
            self._queue.put(error)


def _take(
    board: Board,
    happenings: _Happenings,
    wanted: Wanted,
    tell: Callable[[str], None],
    turn: threading.Lock,
) -> Stop:
    end = time.monotonic() + wanted.seconds if wanted.seconds is not None else None
    while True:
        is_settled = _is_there(board, wanted)
        if is_settled is Stop.STARTED:
            return Stop.STARTED
        patience = None if end is None else max(end - time.monotonic(), 0.0)
        if is_settled is not None:
            patience = min(_QUIET_SECONDS, patience if patience is not None else _QUIET_SECONDS)
        try:
            event = happenings.next(patience)
        except queue.Empty:
            return is_settled or Stop.TIMEOUT
        if event is None:
            return Stop.ENDED
        with turn:
            line = board.hear(event)
        if line is not None:
            tell(line)


def _is_there(board: Board, wanted: Wanted) -> Stop | None:
    """Whether the run is where following was to end, as far as is known."""
    if wanted.until == "started" and board.began is not None:
        return Stop.STARTED
    if wanted.until == "waiting" and board.is_stuck_on_people:
        return Stop.WAITING
    return None
