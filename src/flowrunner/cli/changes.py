"""What each event of a step changes on the board, told in one plain line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from flowrunner.cli.rows import Row
from flowrunner.cli.text import clean, span
from flowrunner.wire.events import Event

if TYPE_CHECKING:
    from flowrunner.cli.board import Board


NAMELESS = "its provider"


def change(board: Board, row: Row, event: Event) -> str | None:
    """Change *row*, and tell it; None for what is nobody's news."""
    _spend(row, event.data)
    known = _CHANGES.get(event.type)
    return known(board, row, event) if known else None


def error_of(data: dict[str, Any]) -> str:
    error: dict[str, Any] = data.get("error", {})
    return clean(f"{error.get('code', 'error')}: {error.get('message', '')}")


def _spend(row: Row, data: dict[str, Any]) -> None:
    usage: dict[str, Any] = data.get("usage") or {}
    row.tokens += int(usage.get("input_tokens", 0)) + int(usage.get("output_tokens", 0))
    row.cost += int(usage.get("cost_microusd", 0))


def _dispatched(_board: Board, row: Row, event: Event) -> str:
    row.status, row.attempt, row.due = "running", int(event.data["attempt"]), None
    row.quota = ""
    row.since, row.doing, row.heard = event.at, "", None
    return f"{row.key}: running" + (f", try {row.attempt}" if row.attempt > 1 else "")


def _retrying(_board: Board, row: Row, event: Event) -> str:
    delay = float(event.data.get("delay_seconds", 0.0))
    row.status, row.due = "retrying", event.at + timedelta(seconds=delay)
    row.note = error_of(event.data)
    row.quota = _quota_of(event.data)
    if row.quota:
        return f"{row.key}: waits for the quota of {row.quota}, {span(delay)}: {row.note}"
    return f"{row.key}: try {row.attempt} failed, next in {span(delay)}: {row.note}"


def _quota_of(data: dict[str, Any]) -> str:
    error: dict[str, Any] = data.get("error", {})
    is_quota = error.get("failure_class") == "quota" and data.get("counted") is False
    return clean(str(error.get("provider") or NAMELESS)) if is_quota else ""


def _due(_board: Board, row: Row, _event: Event) -> None:
    """The delay is over while the run is paused: it will be tried when the run goes on."""
    row.due = None


def _completed(_board: Board, row: Row, event: Event) -> str:
    note = row.note if row.kind == "approval" else ""
    return f"{row.key}: completed in {_close(row, event, 'completed', note)}"


def _failed(_board: Board, row: Row, event: Event) -> str:
    tolerated = bool(event.data.get("tolerated", False))
    error = error_of(event.data)
    spent = _close(row, event, "failed", f"{error} (tolerated)" if tolerated else error)
    return f"{row.key}: failed after {spent}: {row.note}"


def _skipped(_board: Board, row: Row, event: Event) -> str:
    _close(row, event, "skipped", clean(str(event.data.get("reason", ""))))
    return f"{row.key}: skipped: {row.note}"


def _cancelled(_board: Board, row: Row, event: Event) -> str:
    _close(row, event, "cancelled", clean(str(event.data.get("reason", ""))))
    return f"{row.key}: cancelled"


def _rejected(_board: Board, row: Row, event: Event) -> str:
    outcome = clean(str(event.data.get("outcome", "")))
    return f"{row.key}: a late result ({outcome}) was refused"


def _expanded(board: Board, row: Row, event: Event) -> str | None:
    """The list's members; a long list comes in several events, of which the first is told."""
    is_first = row.status != "running"
    if is_first:
        board.leave_children(row)
        row.status, row.since, row.note = "running", event.at, ""
        row.total = int(event.data.get("total", 0))
        row.dropped = int(event.data.get("dropped", 0))
        row.needed = int(event.data.get("needed", row.total))
    first = int(event.data.get("first", 0))
    for at, key in enumerate(event.data.get("keys", ())):
        board.add_child(row, first + at, clean(str(key)), f"{row.key}[{clean(str(key))}]")
    if not is_first:
        return None
    told = f"{row.key}: {row.total} to do"
    return told + (f", {row.dropped} beyond the limit are left out" if row.dropped else "")


def _iterated(board: Board, row: Row, event: Event) -> str:
    iteration = int(event.data.get("iteration", 1))
    if iteration == 1:
        board.leave_children(row)
        row.since = event.at
    row.status, row.note = "running", ""
    board.add_child(row, int(event.data["child"]), f"{iteration}", f"{row.key}[{iteration}]")
    return f"{row.key}: iteration {iteration}"


def _called(board: Board, row: Row, event: Event) -> None:
    """A code step asked an agent; what becomes of it is told by the call's own events."""
    key = clean(str(event.data.get("key", "")))
    board.add_child(row, int(event.data["child"]), key, f"{row.key}/{key}")


def _slept(_board: Board, row: Row, event: Event) -> str:
    seconds = float(event.data.get("seconds", 0.0))
    row.status, row.since = "sleeping", event.at
    row.due = event.at + timedelta(seconds=seconds)
    return f"{row.key}: sleeps {span(seconds)}"


def _asked(board: Board, row: Row, event: Event) -> str:
    row.status, row.since, row.note = "waiting", event.at, ""
    row.attempt = int(event.data.get("attempt", 1))
    expires = event.data.get("expires_seconds")
    row.due = event.at + timedelta(seconds=float(expires)) if expires is not None else None
    return f"{row.key}: waits for approval: {board.command('approve', row)}"


def _reminded(board: Board, row: Row, event: Event) -> str:
    waited = span((event.at - row.since).total_seconds()) if row.since else ""
    return f"{row.key}: still waits for approval, {waited}: {board.command('approve', row)}"


def _decided(_board: Board, row: Row, event: Event) -> str:
    did = "approved" if event.data.get("approved") else "rejected"
    comment = clean(str(event.data.get("comment", "")))
    row.note = f"{did} by {clean(str(event.data.get('actor', '')))}"
    row.note += f": {comment}" if comment else ""
    row.status, row.due = "running", None
    return f"{row.key}: {row.note}"


_CHANGES: dict[str, Callable[[Any, Row, Event], str | None]] = {
    "step.dispatched": _dispatched,
    "step.retrying": _retrying,
    "step.due": _due,
    "step.completed": _completed,
    "step.failed": _failed,
    "step.skipped": _skipped,
    "step.cancelled": _cancelled,
    "step.expanded": _expanded,
    "step.iterated": _iterated,
    "step.slept": _slept,
    "call.requested": _called,
    "approval.requested": _asked,
    "approval.reminded": _reminded,
    "approval.decided": _decided,
    "result.rejected": _rejected,
}


def _close(row: Row, event: Event, status: str, note: str) -> str:
    row.status, row.note, row.ended, row.due, row.doing = status, note, event.at, None, ""
    return span((event.at - row.since).total_seconds() if row.since else 0.0)
