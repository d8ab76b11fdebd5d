"""What is known of a run from its events, and each change in one plain line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flowrunner.cli.changes import change, error_of
from flowrunner.cli.rows import ENDED, MOVING, Row
from flowrunner.cli.text import clean, span
from flowrunner.wire.events import ENDS, Event, RosterStep
from flowrunner.wire.runs import StepRow


@dataclass(slots=True)
class Board:
    """Hears a run's events in order. *status* is the run's own; *error* why it failed.

    *rows* are by number: the flow's steps, and the children that some of them got.
    """

    run_id: str
    title: str = ""
    flow: str = ""
    band: str = ""
    status: str = "queued"
    outcome: str = ""
    degraded: bool = False
    error: str = ""
    note: str = ""
    generation: int = 1
    began: datetime | None = None
    latest: datetime | None = None
    rows: dict[int, Row] = field(default_factory=dict[int, Row])
    tops: list[Row] = field(default_factory=list[Row])
    numbers: dict[str, int] = field(default_factory=dict[str, int])

    @property
    def short_id(self) -> str:
        """The end of the id: runs of one day share their beginnings."""
        return self.run_id[-8:]

    @property
    def is_over(self) -> bool:
        return self.status in {"completed", "failed", "cancelled"}

    @property
    def is_stuck_on_people(self) -> bool:
        """Whether nothing moves before somebody decides."""
        if self.is_over or not self.questions():
            return False
        opens = (row.status == "pending" and not self.waits_for(row) for row in self.tops)
        return not any(row.status in MOVING for row in self.leaves()) and not any(opens)

    @property
    def counted(self) -> tuple[int, int]:
        """How many of the steps that take part have ended, and how many those are."""
        part = [row for row in self.rows.values() if row.status != "excluded"]
        return sum(row.status in ENDED for row in part), len(part)

    @property
    def cost(self) -> int:
        return sum(row.cost for row in self.rows.values())

    def elapsed(self, now: datetime) -> float:
        if self.began is None:
            return 0.0
        end = self.latest if self.is_over and self.latest else now
        return max((end - self.began).total_seconds(), 0.0)

    def questions(self) -> list[Row]:
        """The approvals that wait for somebody."""
        return [row for row in self.tops if row.status == "waiting"]

    def leaves(self) -> list[Row]:
        """The steps that do something themselves, which a parent of others does not."""
        return [row for row in self.rows.values() if not row.children]

    def below(self, row: Row) -> list[Row]:
        return [self.rows[number] for number in row.children]

    def command(self, verb: str, row: Row) -> str:
        """What to type about *row*; it need not be named where it is the only one."""
        only = self.questions() in ([], [row])
        return f"flowrunner {verb} {self.short_id}" + ("" if only else f" {row.key}")

    def hear(self, event: Event) -> str | None:
        """Take *event* in, and tell it in a line; None for what is nobody's news."""
        self.latest = event.at
        if event.type in ENDS:
            return self._end(event)
        match event.type:
            case "run.started":
                return self._start(event)
            case "run.failing":
                self.error = error_of(event.data)
                return f"run {self.short_id}: failing: {self.error}"
            case "run.repaired":
                return f"run {self.short_id}: repaired: {_why(event.data)}"
            case "run.paused" | "run.resumed":
                return self._turn(event)
            case "run.retried":
                return self._begin_anew(event)
            case _:
                row = self.rows.get(event.step_no if event.step_no is not None else -1)
                return change(self, row, event) if row is not None else None

    def see(self, steps: Iterable[StepRow]) -> None:
        """Learn what no event says: who works on a step, and whether anybody does."""
        for step in steps:
            row = self.rows.get(step.step_no)
            if row is None or row.status not in {"running", "offered"} or row.children:
                continue
            row.status = "running" if step.worker else "offered"
            if step.worker and row.heard is None:
                row.doing = f"on {clean(step.worker)}"

    def add_child(self, parent: Row, number: int, name: str, key: str) -> None:
        self.rows[number] = Row(number, key, name, parent=parent.number)
        parent.children.append(number)

    def leave_children(self, parent: Row) -> None:
        """They belong to an earlier beginning of the step; what they cost is the parent's."""
        for child in self.below(parent):
            parent.cost += child.cost
            parent.tokens += child.tokens
            del self.rows[child.number]
        parent.children.clear()
        parent.total = parent.dropped = parent.needed = 0

    def waits_for(self, row: Row) -> list[str]:
        """The needs of *row* that have not ended."""
        known = (self.rows[self.numbers[need]] for need in row.needs)
        return [need.key for need in known if not need.has_ended]

    def _start(self, event: Event) -> str:
        self.status, self.began = "running", event.at
        self.flow, self.band = clean(str(event.data["flow"])), clean(str(event.data["band"]))
        for told in event.data["steps"]:
            step = RosterStep.model_validate(told)
            row = _row(step)
            self.rows[step.step_no] = row
            self.numbers[step.key] = step.step_no
            self.tops.append(row)
        left_out = sum(row.status == "excluded" for row in self.tops)
        part = f"{len(self.tops) - left_out} steps"
        part += f", {left_out} left out" if left_out else ""
        return f"run {self.short_id}: started: {self.flow}, band {self.band}, {part}"

    def _turn(self, event: Event) -> str:
        paused = event.type == "run.paused"
        self.status = "paused" if paused else "running"
        did = f"{event.type.removeprefix('run.')}{_by(event.data)}"
        self.note = did if paused else ""
        return f"run {self.short_id}: {did}"

    def _begin_anew(self, event: Event) -> str:
        """The named steps are pending again; children stay only below a parent that is reopened."""
        if self.is_over:
            self.status, self.error, self.outcome, self.degraded = "running", "", "", False
        self.generation = int(event.data.get("generation", self.generation + 1))
        from_step = clean(str(event.data.get("from_step", "")))
        for number in event.data.get("steps", ()):
            row = self.rows.get(number)
            if row is not None:
                row.begin_anew()
                self._leave_unfinished(row, keeps_calls=not from_step)
        for number in event.data.get("reopened", ()):
            self.rows[number].status, self.rows[number].ended = "running", None
        what = f"from {from_step}" if from_step else "what had failed"
        return f"run {self.short_id}: begins anew {what}{_by(event.data)}"

    def _leave_unfinished(self, row: Row, *, keeps_calls: bool) -> None:
        """Calls of a code step that completed still answer; other children are left behind."""
        kept = [child for child in self.below(row) if child.status == "completed"]
        if row.kind != "code" or row.total or not keeps_calls:
            kept = []
        self.leave_children(row)
        for child in kept:
            self.rows[child.number] = child
            row.children.append(child.number)
            row.cost -= child.cost
            row.tokens -= child.tokens

    def _end(self, event: Event) -> str:
        self.status = event.type.removeprefix("run.")
        self.outcome = clean(str(event.data.get("outcome", "")))
        self.degraded = bool(event.data.get("degraded", False))
        told = f"run {self.short_id}: {self.status} in {span(self.elapsed(event.at))}"
        if self.status == "completed":
            return f"{told}: outcome {self.outcome}{', degraded' if self.degraded else ''}"
        self.error = error_of(event.data) if self.status == "failed" else _why(event.data)
        return f"{told}: {self.error}"


def _row(step: RosterStep) -> Row:
    excluded = step.excluded is not None
    return Row(
        step.step_no,
        clean(step.key),
        clean(step.key),
        kind=step.kind,
        phase=clean(step.phase or ""),
        needs=step.needs,
        status="excluded" if excluded else "pending",
        note=clean(step.excluded or ""),
    )


def _why(data: dict[str, Any]) -> str:
    return clean(str(data.get("reason", "")))


def _by(data: dict[str, Any]) -> str:
    actor, reason = clean(str(data.get("actor", ""))), _why(data)
    return (f" by {actor}" if actor else "") + (f": {reason}" if reason else "")
