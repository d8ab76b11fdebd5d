"""A run at one instant as a compact tree, for a terminal of any size."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from flowrunner.cli.board import Board, Row
from flowrunner.cli.text import cells, fit, pad, span

_SYMBOLS = {
    "completed": "✓",
    "failed": "✗",
    "running": "●",
    "retrying": "↻",
    "pending": "○",
    "skipped": "-",
    "excluded": "-",
    "cancelled": "■",
}
_PLAIN = {
    "completed": "+",
    "failed": "x",
    "running": "*",
    "retrying": "~",
    "pending": ".",
    "skipped": "-",
    "excluded": "-",
    "cancelled": "#",
}
_COLORS = {"completed": "32", "failed": "31", "running": "36", "retrying": "33", "cancelled": "35"}
# What a person looks for first stays when not everything fits.
_FIRST = (
    "failed",
    "running",
    "retrying",
    "cancelled",
    "pending",
    "completed",
    "skipped",
    "excluded",
)
_LONGEST_KEY = 32


@dataclass(frozen=True, slots=True)
class Canvas:
    """How much room there is, and what may be drawn on it."""

    width: int = 80
    height: int = 24
    symbols: bool = True
    color: bool = False


def picture(board: Board, now: datetime, canvas: Canvas, last_line: str = "") -> list[str]:
    """Draw the run; what does not fit is counted, never left out in silence (P11)."""
    head = (
        f"{board.short_id}  {board.flow} {_dot(canvas)} {board.band}"
        if board.flow
        else board.short_id
    )
    done, total = board.counted
    parts = [span(board.elapsed(now)), f"{done}/{total} steps", *([last_line] if last_line else [])]
    foot = f"  {f' {_dot(canvas)} '.join(parts)}"
    room = max(canvas.height - 3, 1)
    rows = list(board.rows.values())
    shown = rows if len(rows) <= room else _most_telling(rows, room - 1)
    keys = min(max((cells(row.key) for row in shown), default=0), _LONGEST_KEY)
    lines = [_line(board, row, now, canvas, keys) for row in shown]
    if len(shown) < len(rows):
        lines.append(f"  … {_counts([row for row in rows if row not in shown])}")
    return [fit(head, canvas.width), *lines, fit(foot, canvas.width)]


def _line(board: Board, row: Row, now: datetime, canvas: Canvas, keys: int) -> str:
    symbol = (_SYMBOLS if canvas.symbols else _PLAIN)[row.status]
    key = pad(fit(row.key, keys), keys)
    text = f"  {symbol} {key}  {_time(row, now):>5}  {_note(board, row, now)}".rstrip()
    text = fit(text, canvas.width)
    color = _COLORS.get(row.status) if canvas.color else None
    return text.replace(symbol, f"\x1b[{color}m{symbol}\x1b[0m", 1) if color else text


def _time(row: Row, now: datetime) -> str:
    if row.since is None or row.status in {"skipped", "excluded", "pending", "retrying"}:
        return ""
    return span(((row.ended or now) - row.since).total_seconds())


def _note(board: Board, row: Row, now: datetime) -> str:
    match row.status:
        case "pending":
            waits = board.waits_for(row)
            return f"waits for {', '.join(waits)}" if waits else ""
        case "running":
            return f"try {row.attempt}" if row.attempt > 1 else ""
        case "retrying":
            left = max((row.due - now).total_seconds(), 0.0) if row.due else 0.0
            return f"try {row.attempt + 1} in {span(left)}: {row.note}"
        case "skipped":
            return f"skipped: {row.note}"
        case _:
            return row.note


def _most_telling(rows: list[Row], room: int) -> list[Row]:
    """Keep the order of the flow, and of too many rows those that matter most now."""
    ranked = sorted(range(len(rows)), key=lambda at: (_FIRST.index(rows[at].status), at))
    return [rows[at] for at in sorted(ranked[: max(room, 0)])]


def _counts(rows: list[Row]) -> str:
    counted = Counter(row.status for row in rows)
    return ", ".join(f"{counted[status]} {status}" for status in _FIRST if counted[status])


def _dot(canvas: Canvas) -> str:
    return "·" if canvas.symbols else "-"
