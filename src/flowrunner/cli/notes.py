"""What stands beside a step on the board: for how long, why, what it waits for, what it does."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from flowrunner.cli.board import Board
from flowrunner.cli.paint import Canvas
from flowrunner.cli.rows import FIRST, Row
from flowrunner.cli.text import countdown, span

_TIMELESS = frozenset({"skipped", "excluded", "pending", "retrying"})
_NEEDS_NAMED = 3
_SILENT_SECONDS = 60.0
_DAY_SECONDS = 86_400.0


def time_of(row: Row, now: datetime) -> str:
    if row.since is None or row.status in _TIMELESS:
        return ""
    return span(((row.ended or now) - row.since).total_seconds())


def note_of(board: Board, row: Row, now: datetime, canvas: Canvas) -> str:
    """Say in a few words why the step stands as it does."""
    family = _family(board, row, now, canvas) if row.children or row.total else ""
    own = _own(board, row, now, canvas)
    return canvas.join(family, own) if family else own


def waits_for(board: Board, row: Row) -> str:
    """Name what keeps a pending step from beginning."""
    if row.parent is not None:
        return "waits for its turn"
    waits = board.waits_for(row)
    if not waits:
        return "the run is paused" if board.status == "paused" else "is prepared"
    named, more = waits[:_NEEDS_NAMED], len(waits) - _NEEDS_NAMED
    return f"waits for {', '.join(named)}" + (f" and {more} more" if more > 0 else "")


def _own(board: Board, row: Row, now: datetime, canvas: Canvas) -> str:
    match row.status:
        case "pending":
            return "" if row.children else waits_for(board, row)
        case "running":
            return "" if row.children else _at_work(row, now, canvas)
        case "offered":
            return canvas.join(_tried(row), "no worker has it yet")
        case "retrying" if row.quota:
            return f"waits for the quota of {row.quota}{_until(row, now)}"
        case "retrying":
            when = "once the run goes on" if board.status == "paused" else "soon"
            when = f"in {_left(row, now)}" if row.due else when
            return f"try {row.attempt + 1} {when}: {row.note}"
        case "waiting":
            return _asked(row, now)
        case "sleeping":
            at = row.due.astimezone().strftime("%H:%M") if row.due else ""
            return f"goes on in {_left(row, now)}, at {at}"
        case "skipped":
            return f"skipped: {row.note}"
        case "completed":
            return canvas.join(_tried(row), row.note)
        case _:
            return row.note


def _at_work(row: Row, now: datetime, canvas: Canvas) -> str:
    """What it does; one that says nothing for long may be stuck, which somebody should see."""
    heard = ""
    if row.heard is not None:
        silent = (now - row.heard).total_seconds()
        heard = f"{countdown(silent)} ago"
        if silent > _SILENT_SECONDS:
            heard = f"silent for {span(silent)}"
    return canvas.join(_tried(row), heard, row.doing)


def _tried(row: Row) -> str:
    return f"try {row.attempt}" if row.attempt > 1 and row.kind != "approval" else ""


def _asked(row: Row, now: datetime) -> str:
    return "needs a decision" + (f", expires in {_left(row, now)}" if row.due else "")


def _left(row: Row, now: datetime) -> str:
    return countdown((row.due - now).total_seconds()) if row.due else ""


def _until(row: Row, now: datetime) -> str:
    """Until when, at most; the clock is told where it is today."""
    if row.due is None:
        return ", and for the run to go on"
    at = row.due.astimezone()
    is_near = (row.due - now).total_seconds() < _DAY_SECONDS
    return f" until {at.strftime('%H:%M' if is_near else '%Y-%m-%d %H:%M')}, {_left(row, now)}"


def _family(board: Board, row: Row, now: datetime, canvas: Canvas) -> str:
    """Count a step's children, and tell when the next of them is tried again."""
    below = board.below(row)
    counts = Counter(child.status for child in below)
    done = counts.pop("completed", 0)
    missing = max(row.total - row.dropped - len(below), 0)
    counts["pending"] += missing
    told = f"{done}/{len(below) + missing}"
    if row.total and row.needed < row.total - row.dropped:
        told += f" ({row.needed} needed)"
    parts = [(counts[status], status) for status in FIRST if counts[status]]
    signed = " ".join(f"{canvas.sign(status)}{count}" for count, status in parts)
    if not canvas.symbols:
        signed = ", ".join(f"{count} {status}" for count, status in parts)
    due = [child.due for child in below if child.status == "retrying" and child.due]
    soon = f"retry in {countdown((min(due) - now).total_seconds())}" if due else ""
    left = f"{row.dropped} left out" if row.dropped else ""
    return canvas.join(told, signed, soon, left)
