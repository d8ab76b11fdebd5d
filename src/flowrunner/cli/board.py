"""What is known of a run from its events, and each change in one plain line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from flowrunner.cli.text import clean, span
from flowrunner.wire.events import ENDS, Event, RosterStep

_ENDED = frozenset({"completed", "failed", "skipped", "cancelled", "excluded"})
_TAKES_NO_PART = frozenset({"excluded", "skipped"})


@dataclass(slots=True)
class Row:
    """One step; *note* says why it stands as it does."""

    key: str
    needs: tuple[str, ...] = ()
    status: str = "pending"
    attempt: int = 0
    since: datetime | None = None
    ended: datetime | None = None
    due: datetime | None = None
    note: str = ""


@dataclass(slots=True)
class Board:
    """Hears a run's events in order. *status* is the run's own; *error* why it failed."""

    run_id: str
    flow: str = ""
    band: str = ""
    status: str = "queued"
    outcome: str = ""
    degraded: bool = False
    error: str = ""
    began: datetime | None = None
    latest: datetime | None = None
    rows: dict[str, Row] = field(default_factory=dict[str, Row])

    @property
    def short_id(self) -> str:
        """The end of the id: runs of one day share their beginnings."""
        return self.run_id[-8:]

    @property
    def is_over(self) -> bool:
        return self.status in {"completed", "failed", "cancelled"}

    @property
    def counted(self) -> tuple[int, int]:
        """How many of the steps that take part have ended, and how many those are."""
        part = [row for row in self.rows.values() if row.status != "excluded"]
        return sum(row.status in _ENDED for row in part), len(part)

    def elapsed(self, now: datetime) -> float:
        if self.began is None:
            return 0.0
        end = self.latest if self.is_over and self.latest else now
        return max((end - self.began).total_seconds(), 0.0)

    def hear(self, event: Event) -> str | None:
        """Take *event* in, and tell it in a line; None for what is nobody's news."""
        self.latest = event.at
        if event.type in ENDS:
            return self._end(event)
        if event.type == "run.started":
            return self._start(event)
        if event.type == "run.failing":
            self.error = _error(event.data)
            return f"run {self.short_id}: failing: {self.error}"
        if event.type == "run.repaired":
            return f"run {self.short_id}: repaired: {clean(str(event.data.get('reason', '')))}"
        row = self.rows.get(event.key or "")
        change = _CHANGES.get(event.type)
        return change(row, event) if row is not None and change is not None else None

    def _start(self, event: Event) -> str:
        self.status, self.began = "running", event.at
        self.flow, self.band = clean(str(event.data["flow"])), clean(str(event.data["band"]))
        for told in event.data["steps"]:
            step = RosterStep.model_validate(told)
            excluded = step.excluded is not None
            self.rows[step.key] = Row(
                key=clean(step.key),
                needs=step.needs,
                status="excluded" if excluded else "pending",
                note=clean(step.excluded or ""),
            )
        left_out = sum(row.status == "excluded" for row in self.rows.values())
        part = f"{len(self.rows) - left_out} steps"
        part += f", {left_out} left out" if left_out else ""
        return f"run {self.short_id}: started: {self.flow}, band {self.band}, {part}"

    def _end(self, event: Event) -> str:
        self.status = event.type.removeprefix("run.")
        self.outcome = clean(str(event.data.get("outcome", "")))
        self.degraded = bool(event.data.get("degraded", False))
        told = f"run {self.short_id}: {self.status} in {span(self.elapsed(event.at))}"
        if self.status == "completed":
            return f"{told}: outcome {self.outcome}{', degraded' if self.degraded else ''}"
        if self.status == "failed":
            self.error = _error(event.data)
            return f"{told}: {self.error}"
        return f"{told}: {clean(str(event.data.get('reason', '')))}"

    def waits_for(self, row: Row) -> list[str]:
        """The needs of *row* that have not ended."""
        return [need for need in row.needs if self.rows[need].status not in _ENDED]


def _dispatched(row: Row, event: Event) -> str:
    row.status, row.attempt, row.due = "running", int(event.data["attempt"]), None
    row.since = event.at
    return f"{row.key}: running" + (f", try {row.attempt}" if row.attempt > 1 else "")


def _retrying(row: Row, event: Event) -> str:
    delay = float(event.data.get("delay_seconds", 0.0))
    row.status, row.due = "retrying", event.at + timedelta(seconds=delay)
    row.note = _error(event.data)
    return f"{row.key}: try {row.attempt} failed, next in {span(delay)}: {row.note}"


def _completed(row: Row, event: Event) -> str:
    return f"{row.key}: completed in {_close(row, event, 'completed', '')}"


def _failed(row: Row, event: Event) -> str:
    tolerated = bool(event.data.get("tolerated", False))
    error = _error(event.data)
    spent = _close(row, event, "failed", f"{error} (tolerated)" if tolerated else error)
    return f"{row.key}: failed after {spent}: {row.note}"


def _skipped(row: Row, event: Event) -> str:
    _close(row, event, "skipped", clean(str(event.data.get("reason", ""))))
    return f"{row.key}: skipped: {row.note}"


def _cancelled(row: Row, event: Event) -> str:
    _close(row, event, "cancelled", clean(str(event.data.get("reason", ""))))
    return f"{row.key}: cancelled"


def _rejected(row: Row, event: Event) -> str:
    outcome = clean(str(event.data.get("outcome", "")))
    return f"{row.key}: a late result ({outcome}) was refused"


_CHANGES: dict[str, Callable[[Row, Event], str]] = {
    "step.dispatched": _dispatched,
    "step.retrying": _retrying,
    "step.completed": _completed,
    "step.failed": _failed,
    "step.skipped": _skipped,
    "step.cancelled": _cancelled,
    "result.rejected": _rejected,
}


def _close(row: Row, event: Event, status: str, note: str) -> str:
    row.status, row.note, row.ended, row.due = status, note, event.at, None
    return span((event.at - row.since).total_seconds() if row.since else 0.0)


def _error(data: dict[str, Any]) -> str:
    error: dict[str, Any] = data.get("error", {})
    return clean(f"{error.get('code', 'error')}: {error.get('message', '')}")
