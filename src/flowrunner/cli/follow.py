"""Shows a run while it moves: a live picture on a terminal, a line per change elsewhere."""

from __future__ import annotations

import sys
import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from datetime import UTC, datetime

from flowrunner.cli.board import Board
from flowrunner.cli.picture import Canvas, picture
from flowrunner.cli.shell import Shell, speaks_symbols
from flowrunner.cli.text import span
from flowrunner.wire.events import Event

_FRAMES_PER_SECOND = 4


def follow(shell: Shell, board: Board, events: Iterable[Event], last_line: str = "") -> None:
    """Take in *events* until they end, and show them on stderr."""
    if shell.is_quiet:
        for event in events:
            board.hear(event)
        return
    if not sys.stderr.isatty():
        for event in events:
            line = board.hear(event)
            if line is not None:
                shell.tell(line)
        return
    turn = threading.Lock()
    with _live(shell, board, last_line, turn):
        for event in events:
            with turn:
                board.hear(event)


def summary(board: Board) -> str:
    """How it ended, in one line."""
    done, total = board.counted
    took = board.elapsed(datetime.now(UTC))
    told = f"{board.short_id} {board.status} in {span(took)}, {done}/{total} steps"
    if board.status == "completed":
        return f"{told}, outcome {board.outcome}{', degraded' if board.degraded else ''}"
    return f"{told}: {board.error}" if board.error else told


@contextmanager
def _live(shell: Shell, board: Board, last_line: str, turn: threading.Lock) -> Generator[None]:
    from rich.console import Console  # noqa: PLC0415  # only a terminal needs it
    from rich.live import Live  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(stderr=True, no_color=not shell.has_color, highlight=False)
    symbols = speaks_symbols(sys.stderr)

    def draw() -> Text:
        canvas = Canvas(console.width, console.height, symbols=symbols, color=shell.has_color)
        with turn:
            lines = picture(board, datetime.now(UTC), canvas, last_line)
        return Text.from_ansi("\n".join(lines), no_wrap=True)

    with Live(get_renderable=draw, console=console, refresh_per_second=_FRAMES_PER_SECOND):
        try:
            yield
        finally:
            last_line = ""
