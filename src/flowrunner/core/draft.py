"""What a run becomes while events are applied to it. `fold` and `decide` share this one meaning."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from flowrunner.core import events as ev
from flowrunner.core.graph import Graph
from flowrunner.core.model import Failure, FailureClass, RunState, RunStatus, StepState, StepStatus

_SATISFIED = frozenset({StepStatus.COMPLETED, StepStatus.SKIPPED, StepStatus.EXCLUDED})


class Draft:
    """A scratch copy that remembers only what changed, and which steps became ready."""

    __slots__ = ("_base", "_changed", "_run", "woken")

    def __init__(self, state: RunState) -> None:
        self._base = state
        self._run = state
        self._changed: dict[int, StepState] = {}
        self.woken: list[int] = []

    @property
    def graph(self) -> Graph:
        return self._base.graph

    @property
    def run(self) -> RunState:
        """The run-level fields as of now; its *steps* are those of the beginning."""
        return self._run

    def step(self, number: int) -> StepState:
        changed = self._changed.get(number)
        return changed if changed is not None else self._base.steps[number]

    def freeze(self) -> RunState:
        return replace(self._run, steps=self._base.steps.updated(self._changed))

    def apply(self, event: ev.Event) -> None:
        """Change what *event* means; the version moves by one with every event."""
        self._run = replace(self._run, version=self._run.version + 1)
        match event:
            case ev.RunStarted(excluded=excluded):
                self._start(excluded)
            case ev.ResultRejected():
                self._run = replace(self._run, rejected=self._run.rejected + 1)
            case ev.RunRepaired():
                pass
            case ev.RunFailing(error=error):
                self._run = replace(self._run, failure=error)
            case ev.RunCompleted():
                self._run = replace(self._run, status=RunStatus.COMPLETED)
            case ev.RunFailed(error=error):
                self._run = replace(self._run, status=RunStatus.FAILED, failure=error)
            case ev.RunCancelled():
                self._run = replace(self._run, status=RunStatus.CANCELLED)
            case _:
                self._apply_step(event)

    def _start(self, excluded: tuple[tuple[int, str], ...]) -> None:
        self._run = replace(self._run, status=RunStatus.RUNNING)
        for number, _reason in excluded:
            self._move(number, StepStatus.EXCLUDED)
        gone = {number for number, _reason in excluded}
        roots = [n for n, step in enumerate(self.graph.steps) if not step.needs and n not in gone]
        self.woken = sorted({*roots, *self.woken})

    def _apply_step(self, event: ev.StepEvent) -> None:
        step = self.step(event.step)
        match event:
            case ev.StepDispatched(attempt=attempt, prompt=prompt):
                kept = prompt if prompt is not None else step.prompt
                self._move(event.step, StepStatus.RUNNING, attempt=attempt, prompt=kept)
            case ev.StepRetrying(error=error, epoch=epoch, delay_seconds=delay):
                lost = error.failure_class is FailureClass.LOST
                self._move(
                    event.step,
                    StepStatus.PENDING,
                    delayed=delay > 0,
                    failures=step.failures + (not lost),
                    crashes=step.crashes + lost,
                    # A lost lease's epoch is not remembered: its late result is no duplicate.
                    epoch=step.epoch if lost else epoch,
                )
            case ev.StepCompleted(epoch=epoch):
                self._move(event.step, StepStatus.COMPLETED, epoch=epoch)
            case ev.StepFailed(epoch=epoch, tolerated=tolerated, error=error):
                self._fail(event.step, error, tolerated=tolerated, epoch=epoch)
            case ev.StepSkipped():
                self._move(event.step, StepStatus.SKIPPED)
            case ev.StepCancelled(epoch=epoch):
                self._move(event.step, StepStatus.CANCELLED, epoch=epoch or step.epoch)
            case _:
                assert_never(event)

    def _fail(self, number: int, error: Failure, *, tolerated: bool, epoch: int) -> None:
        lost = error.failure_class is FailureClass.LOST
        kept = self.step(number).epoch if lost else epoch
        self._move(number, StepStatus.FAILED, epoch=kept)
        if tolerated:
            self._run = replace(self._run, tolerated=self._run.tolerated + 1)
            self._satisfy(number)
        elif self._run.failure is None:
            key = self.graph.steps[number].key
            message = f"step '{key}' failed: {error.message}"
            self._run = replace(self._run, failure=Failure(error.code, message))

    def _move(self, number: int, status: StepStatus, **fields: object) -> None:
        before = self.step(number)
        fields.setdefault("delayed", False)
        after = replace(before, status=status, **fields)  # pyright: ignore[reportArgumentType]  # named above
        self._put(number, before, after)
        if status in _SATISFIED:
            self._satisfy(number)

    def _satisfy(self, number: int) -> None:
        """Skips and exclusions satisfy dependents: they do not cascade (R2-20)."""
        for below in self.graph.dependents[number]:
            before = self.step(below)
            self._put(below, before, replace(before, waiting=before.waiting - 1))

    def _put(self, number: int, before: StepState, after: StepState) -> None:
        self._changed[number] = after
        ended = after.status.is_terminal - before.status.is_terminal
        woke = after.is_ready - before.is_ready
        if ended or woke:
            run = self._run
            self._run = replace(run, remaining=run.remaining - ended, ready=run.ready + woke)
        if woke > 0:
            self.woken.append(number)
