"""The live picture: drawn four times a second, with what no event says asked for in between."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from rich.console import Console
from rich.live import Live
from rich.text import Text

from flowrunner.cli.board import Board
from flowrunner.cli.paint import Canvas
from flowrunner.cli.picture import picture
from flowrunner.cli.rows import Row
from flowrunner.cli.shell import Shell, speaks_symbols
from flowrunner.cli.text import clean
from flowrunner.client import Client, ClientError

_FRAMES_PER_SECOND = 4
_LOOK_SECONDS = 2.0
_MOST_HEARD = 8


@contextmanager
def live(
    shell: Shell, board: Board, client: Client, leave: Callable[[Board], str], turn: threading.Lock
) -> Generator[None]:
    """Draw *board* on stderr while the block runs; whoever changes it takes *turn* first."""
    console = Console(stderr=True, no_color=not shell.wants_color, highlight=False)
    symbols = speaks_symbols(sys.stderr)
    is_over = threading.Event()

    def draw() -> Text:
        canvas = Canvas(console.width, console.height, symbols=symbols, color=shell.wants_color)
        with turn:
            # At the end the picture stays: nothing below it needs room any more.
            foot = "" if is_over.is_set() else leave(board)
            lines = picture(board, datetime.now(UTC), canvas, foot)
        return Text.from_ansi("\n".join(lines), no_wrap=True)

    onlooker = _Onlooker(board, client, turn, is_over)
    with Live(get_renderable=draw, console=console, refresh_per_second=_FRAMES_PER_SECOND):
        onlooker.start()
        try:
            yield
        finally:
            is_over.set()


class _Onlooker(threading.Thread):
    """Asks who works on what, and what agents say meanwhile: a run that is well looks alive."""

    def __init__(
        self, board: Board, client: Client, turn: threading.Lock, is_over: threading.Event
    ) -> None:
        super().__init__(name="onlooker", daemon=True)
        self._board, self._client = board, client
        self._turn, self._is_over = turn, is_over
        self._cursors: dict[tuple[int, int], int] = {}

    def run(self) -> None:
        while not self._is_over.wait(_LOOK_SECONDS):
            # The board's own stream says when the server is gone for good.
            with suppress(ClientError):
                self._look()

    def _look(self) -> None:
        steps = self._client.list_steps(self._board.run_id, status=("running",)).items
        with self._turn:
            self._board.see(steps)
            rows = [self._board.rows.get(step.step_no) for step in steps if step.worker]
        agents = [row for row in rows if row is not None and row.kind == "agent"]
        for row in agents[:_MOST_HEARD]:
            with suppress(ClientError):
                self._listen(row)

    def _listen(self, row: Row) -> None:
        place = (row.number, row.attempt)
        cursor = self._cursors.get(place)
        page = self._client.transcript(
            self._board.run_id, row.key, attempt=row.attempt, cursor=cursor
        )
        self._cursors[place] = page.next_cursor
        lines = [line for chunk in page.items for line in chunk.text.splitlines() if line.strip()]
        with self._turn:
            if page.items:
                row.heard = datetime.now(UTC)
            if lines:
                row.doing = clean(lines[-1].strip())
