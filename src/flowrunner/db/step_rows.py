"""What a decision means in rows of steps: those it moves, those it makes, what it leaves behind."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from flowrunner.core import events as ev
from flowrunner.core.decision import TimerGuard
from flowrunner.core.draft import members
from flowrunner.core.graph import StepSpec
from flowrunner.core.model import Family, StepState, StepStatus, Usage
from flowrunner.db.changes import Change, Json, error_row, task_row

_NEW = StepState()


class StepRows:
    """The rows of one change. *notes* are what its events say of steps beyond their state."""

    def __init__(self, change: Change) -> None:
        self._change = change
        self._run = str(change.run_id)
        self._known = len(change.before.steps)
        self._notes = _notes(change)

    def moved(self) -> list[Json]:
        """Updates of rows that exist; none where nothing that is stored changed."""
        return [
            self._row(number, notes)
            for number, notes in self._notes.items()
            if number < self._known and self._is_moved(number, notes)
        ]

    def made(self) -> list[Json]:
        """Rows of steps that did not exist before."""
        return [self._new_row(n) for n in range(self._known, len(self._change.after.steps))]

    def all(self) -> list[Json]:
        """Every step as a new row: a launch."""
        rows = [self._new_row(number) for number in range(len(self._change.after.steps))]
        return [{key: value for key, value in row.items() if key != "run"} for row in rows]

    def tasks(self, *, offered: bool = True) -> list[Json]:
        """One for each attempt that began; *offered*: those that still stand, else the others."""
        after, context = self._change.after, self._change.context
        return [
            task_row(self._run, event, after, context)
            for event in self._change.decision.events
            if isinstance(event, ev.StepDispatched) and self._stands(event) is offered
        ]

    def _stands(self, event: ev.StepDispatched) -> bool:
        now = self._change.after.steps[event.step]
        return now.status is StepStatus.RUNNING and now.attempt == event.attempt

    def withdrawn(self, guarded: Collection[tuple[int, int]]) -> list[Json]:
        """Steps whose task must leave the queue; *guarded* attempts leave it with their lease."""
        return [
            {"run": self._run, "s": number}
            for number in self._notes
            if (before := self._before(number)).status is StepStatus.RUNNING
            and self._is_over(number)
            and (number, before.attempt) not in guarded
        ]

    def silenced(self) -> list[Json]:
        """Steps that are over and may have timers, which go with them (P6)."""
        guards = self._change.decision.guards
        fired = {g.step for g in guards if isinstance(g, TimerGuard)}
        return [
            {"run": self._run, "s": number}
            for number in self._notes
            if self._is_over(number)
            and _may_have_timers(self._change.after.spec(number), self._before(number))
            and not (number in fired and self._before(number).delayed)
        ]

    def left(self) -> list[Json]:
        """Children that are no longer their parent's, for it began anew.

        Their own children stay theirs.
        """
        gone: set[int] = set()
        for event in self._change.decision.events:
            if isinstance(event, ev.RunRetried):
                for number in event.steps:
                    kept = set(_members(self._change.after.steps[number].family))
                    gone.update(n for n in self._children(number) if n not in kept)
        return [{"run": self._run, "s": number} for number in sorted(gone)]

    def _children(self, number: int) -> Iterator[int]:
        """The step's children until now, those that this very decision made included."""
        yield from _members(self._before(number).family)
        made = range(self._known, len(self._change.after.steps))
        yield from (n for n in made if self._change.after.spec(n).parent == number)

    def _before(self, number: int) -> StepState:
        return self._change.before.steps[number] if number < self._known else _NEW

    def _is_over(self, number: int) -> bool:
        """Whether what the step was at before is not what it is at now."""
        before, after = self._before(number), self._change.after.steps[number]
        is_same = (before.status, before.attempt, before.delayed) == (
            after.status,
            after.attempt,
            after.delayed,
        )
        return not is_same

    def _is_moved(self, number: int, notes: Json) -> bool:
        spec = self._change.after.spec(number)
        before, after = self._before(number), self._change.after.steps[number]
        return bool(notes) or _stored(spec, before) != _stored(spec, after)

    def _row(self, number: int, notes: Json) -> Json:
        before, after = self._before(number), self._change.after.steps[number]
        spec = self._change.after.spec(number)
        is_reset = "reset" in notes
        row: Json = {
            "run": self._run,
            "s": number,
            "status": after.status,
            "a": after.attempt,
            "f": after.failures,
            "c": after.crashes,
            "d": after.delayed,
            "e": after.epoch,
            **notes,
        }
        if after.prompt is not None and (is_reset or after.prompt != before.prompt):
            row["prompt"] = after.prompt
        if after.cascades != before.cascades:
            row["casc"] = after.cascades
        if after.redos != before.redos:
            row["redos"] = after.redos
        if spec.parent is not None:
            row["held"] = after.waiting > 0
        family = stored_family(spec, after)
        if family is not None and (is_reset or family != stored_family(spec, before)):
            row["family"] = family
        return row

    def _new_row(self, number: int) -> Json:
        spec = self._change.after.spec(number)
        row = {key: value for key, value in self._new_state(number).items() if value}
        row |= {"key": spec.key, "kind": spec.kind, "persona": spec.persona, "s": number}
        if spec.parent is not None:
            row |= {"parent": spec.parent, "item": spec.item}
            if spec.item is None:
                row["call"] = {
                    "max_attempts": spec.retry.max_attempts,
                    "total_seconds": spec.limits.total_seconds,
                }
        return row

    def _new_state(self, number: int) -> Json:
        notes = self._notes.get(number, {})
        row = self._row(number, {key: notes[key] for key in notes if key != "reset"})
        row["prompt"] = self._change.after.steps[number].prompt
        return row


def _stored(spec: StepSpec, step: StepState) -> tuple[Any, ...]:
    """What a step's row holds of its state; the rest follows from other rows."""
    return (
        step.status,
        step.attempt,
        step.failures,
        step.crashes,
        step.delayed,
        step.epoch,
        step.prompt,
        step.cascades,
        step.redos,
        spec.parent is not None and step.waiting > 0,
        stored_family(spec, step),
    )


def stored_family(spec: StepSpec, step: StepState) -> Json | None:
    """The children's count of a list; iterations and calls are counted from their rows."""
    family = step.family
    if family is None or spec.each is None:
        return None
    return {
        "first": family.first,
        "size": family.size,
        "live": family.live,
        "completed": family.completed,
        "failed": family.failed,
        "released": family.released,
        "needed": family.needed,
        "items": family.items,
    }


def read_family(stored: Json) -> Family:
    return Family(**stored)


def _members(family: Family | None) -> range | tuple[int, ...]:
    return () if family is None else members(family)


def _may_have_timers(spec: StepSpec, before: StepState) -> bool:
    if before.status is StepStatus.RUNNING:
        return spec.limits.queue_seconds is not None
    is_waiting = before.status is StepStatus.BLOCKED and not spec.kind.is_offered
    return before.delayed or is_waiting


def _notes(change: Change) -> dict[int, Json]:
    """By step: output, error, reason and usage that the row takes over; steps in order of events.

    A step that begins anew forgets what was said of it before, but not what it cost.
    """
    notes: dict[int, Json] = {}
    for event in change.decision.events:
        match event:
            case ev.RunRetried(steps=steps, reopened=reopened):
                for number in (*steps, *reopened):
                    cost = {key: notes.get(number, {}).get(key) for key in ("ti", "too", "tc")}
                    kept = {key: value for key, value in cost.items() if value}
                    notes[number] = {**kept, "reset": True}
            case ev.RunStarted(excluded=excluded):
                notes |= {number: {"reason": reason} for number, reason in excluded}
            case (
                ev.ResultRejected()
                | ev.RunFailing()
                | ev.RunRepaired()
                | ev.RunCompleted()
                | ev.RunFailed()
                | ev.RunCancelled()
                | ev.RunPaused()
                | ev.RunResumed()
                | ev.RunRendered()
            ):
                pass
            case _:
                for number, told in _told(change, event):
                    _add(notes.setdefault(number, {}), told)
    return notes


def _add(notes: Json, told: Json) -> None:
    for key, value in told.items():
        notes[key] = notes.get(key, 0) + value if key in {"ti", "too", "tc"} else value


def _told(change: Change, event: ev.StepEvent) -> Iterator[tuple[int, Json]]:
    match event:
        case ev.StepCompleted(output=output, usage=usage, losses=losses):
            lost = {"cut": losses.truncated_bytes, "repl": losses.replaced_count}
            kept = {key: value for key, value in lost.items() if value}
            yield event.step, {"output": output, **_usage(usage), **kept}
        case ev.StepFailed(error=error, usage=usage) | ev.StepRetrying(error=error, usage=usage):
            yield event.step, {"error": error_row(error), **_usage(usage)}
        case ev.StepSkipped(reason=reason) | ev.StepCancelled(reason=reason):
            yield event.step, {"reason": reason}
        case ev.StepExpanded(first=first, keys=keys):
            yield event.step, {}
            yield from ((number, {}) for number in range(first, first + len(keys)))
        case ev.StepIterated(child=child) | ev.CallRequested(child=child):
            yield event.step, {}
            yield child, {}
        case _:
            yield event.step, {}
    parent = change.after.spec(event.step).parent
    if parent is not None:
        yield parent, {}


def _usage(usage: Usage) -> Json:
    spent = {"ti": usage.input_tokens, "too": usage.output_tokens, "tc": usage.cost_microusd}
    return {key: value for key, value in spent.items() if value}
