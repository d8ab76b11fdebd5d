"""A run at one instant as a compact tree, for a terminal of any size."""

from __future__ import annotations

from datetime import datetime

from flowrunner.cli.board import Board
from flowrunner.cli.notes import note_of, time_of
from flowrunner.cli.paint import Canvas
from flowrunner.cli.rows import ENDED, Row, counted
from flowrunner.cli.selection import Entry, select
from flowrunner.cli.text import cells, fit, money, pad, span, tokens_of

__all__ = ["Canvas", "picture"]

_LONGEST_KEY = 32
_COST_CELLS, _COST_FROM_WIDTH = 8, 60
_MOST_QUESTIONS = 2


def picture(board: Board, now: datetime, canvas: Canvas, last_line: str = "") -> list[str]:
    """Draw the run; what does not fit is counted, never left out in silence (P11)."""
    questions = _questions(board, canvas)
    room = max(canvas.height - 3 - len(questions), 1)
    entries = select(board, room)
    widest = (cells(entry.row.name) + 2 * entry.depth for entry in entries if entry.row)
    keys = min(max(widest, default=0), _LONGEST_KEY, canvas.width * 2 // 5)
    lines = [_line(board, entry, now, canvas, keys) for entry in entries]
    return [_head(board, canvas), *lines, *questions, _foot(board, now, canvas, last_line)]


def _head(board: Board, canvas: Canvas) -> str:
    what = canvas.join(board.flow, board.band, board.title)
    again = f"begun {board.generation} times" if board.generation > 1 else ""
    text = canvas.join(f"{board.short_id}  {what}" if what else board.short_id, again)
    state = board.note if board.status == "paused" else ""
    if not state:
        return canvas.bold(fit(text, canvas.width, canvas.dots))
    told = fit(f"{canvas.sign('paused')} {state}", canvas.width, canvas.dots)
    left = canvas.width - cells(told) - 2
    shown = fit(text, left, canvas.dots) + "  " if left >= len(board.short_id) else ""
    return canvas.bold(shown) + canvas.tint(told, "paused")


def _foot(board: Board, now: datetime, canvas: Canvas, last_line: str) -> str:
    done, total = board.counted
    cost = money(board.cost) if board.cost else ""
    parts = (span(board.elapsed(now)), f"{done}/{total} steps", cost, last_line)
    return fit(f"  {canvas.join(*parts)}", canvas.width, canvas.dots)


def _questions(board: Board, canvas: Canvas) -> list[str]:
    """What to type where a person is waited for; it must never be the part that is cut off."""
    asked = board.questions()
    if board.is_over or not asked:
        return []
    if len(asked) > _MOST_QUESTIONS:
        lines = [f"{len(asked)} approvals wait for you: flowrunner approvals"]
    else:
        lines = [_question(board, row, canvas.width - 4) for row in asked]
    signed = (f"  {canvas.sign('waiting')} {line}" for line in lines)
    return [canvas.tint(fit(line, canvas.width, canvas.dots), "waiting") for line in signed]


def _question(board: Board, row: Row, room: int) -> str:
    """The longest wording that fits: the command to type matters most."""
    approve, reject = board.command("approve", row), board.command("reject", row)
    words = (
        f"{row.key} waits for you: {approve}   or   {reject} -m WHY",
        f"{row.key} waits for you: {approve}  (or reject)",
        f"{approve}  (or reject)",
        approve,
    )
    return next((line for line in words if cells(line) <= room), approve)


def _line(board: Board, entry: Entry, now: datetime, canvas: Canvas, keys: int) -> str:
    indent = "  " * entry.depth
    if entry.row is None:
        text = f"{entry.phase}  {_progress(entry.rows)}" if entry.phase else ""
        if text:
            return canvas.bold(fit(text, canvas.width, canvas.dots))
        more = f"  {indent}{canvas.dots} and {len(entry.rows)} more: {counted(entry.rows)}"
        return fit(more, canvas.width, canvas.dots)
    row = entry.row
    name = pad(fit(row.name, keys - len(indent), canvas.dots), keys - len(indent))
    before = f"  {indent}"
    spent = tokens_of(row.tokens) if row.status == "completed" and row.tokens else ""
    note = canvas.join(note_of(board, row, now, canvas), spent)
    after = f" {name}  {time_of(row, now):>5}  {note}".rstrip()
    room = canvas.width - cells(before) - 1
    return (
        before
        + canvas.tint(canvas.sign(row.status), row.status)
        + _costed(board, row, after, canvas, room)
    )


def _costed(board: Board, row: Row, text: str, canvas: Canvas, room: int) -> str:
    """Put what the step cost at the right end, if anything of the run costs anything."""
    cost = _cost(board, row)
    if not cost or canvas.width < _COST_FROM_WIDTH:
        return fit(text, room, canvas.dots)
    shown = fit(text, room - _COST_CELLS, canvas.dots)
    return pad(shown, room - _COST_CELLS) + f"{money(cost):>{_COST_CELLS}}"


def _cost(board: Board, row: Row) -> int:
    return row.cost + sum(_cost(board, child) for child in board.below(row))


def _progress(rows: tuple[Row, ...]) -> str:
    part = [row for row in rows if row.status != "excluded"]
    return f"{sum(row.status in ENDED for row in part)}/{len(part)}"
