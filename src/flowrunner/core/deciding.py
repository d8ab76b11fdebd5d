"""A decision while it is made: what happened so far, and the verbs that every part of it shares."""

from __future__ import annotations

from flowrunner.core import events as ev
from flowrunner.core import meaning
from flowrunner.core.decision import Ask, Guard, SetTimer
from flowrunner.core.draft import Draft
from flowrunner.core.graph import OnFail, Siblings, StepSpec
from flowrunner.core.inputs import TimerKind
from flowrunner.core.model import (
    HANDED_BACK,
    MAX_CRASHES,
    MAX_REJECTED,
    Failure,
    FailureClass,
    Losses,
    Ref,
    RunState,
    StepState,
    StepStatus,
    Usage,
)
from flowrunner.core.retries import next_delay


class Deciding:
    """Collects events, guards and timers; every event changes the draft at once."""

    def __init__(self, state: RunState) -> None:
        self.draft = Draft(state)
        self.events: list[ev.Event] = []
        self.guards: list[Guard] = []
        self.timers: list[SetTimer] = []
        self.asks: dict[Ask, None] = {}

    @property
    def run(self) -> RunState:
        """The run-level fields as of now."""
        return self.draft.run

    def step(self, number: int) -> StepState:
        return self.draft.step(number)

    def spec(self, number: int) -> StepSpec:
        return self.draft.spec(number)

    def emit(self, event: ev.Event) -> None:
        meaning.apply(self.draft, event)
        self.events.append(event)

    def set_timer(self, kind: TimerKind, step: int, token: int, seconds: float) -> None:
        self.timers.append(SetTimer(kind, step, token, seconds))

    def dispatch(self, number: int, prompt: Ref | None = None) -> None:
        """Offer the step's next attempt; with a limit on how long it may lie unclaimed."""
        step = self.step(number)
        attempt = step.attempt + 1
        stored = prompt if prompt is not None else step.prompt
        self.emit(ev.StepDispatched(number, attempt, stored))
        patience = self.spec(number).limits.queue_seconds
        if patience is not None:
            self.set_timer(TimerKind.QUEUE, number, attempt, patience)

    def complete(
        self,
        number: int,
        output: Ref,
        *,
        epoch: int = 0,
        usage: Usage = Usage(),
        losses: Losses = Losses(),
    ) -> None:
        """End the step well; calls that its code did not wait for are stopped."""
        attempt = self.step(number).attempt
        self.emit(ev.StepCompleted(number, attempt, output, epoch, usage, losses))
        self.stop_children(number, "parent_ended")

    def fail(self, number: int, error: Failure, epoch: int, usage: Usage) -> None:
        """End the attempt; try again if the step's policy says so."""
        step = self.step(number)
        # An epoch is unique among all runs: what failed together must not come back together.
        seed = f"{epoch}/{number}"
        delay = next_delay(self.spec(number).retry, error, step.failures + 1, seed)
        if delay is None or self.run.failure is not None:
            self.end_failed(number, error, epoch, usage)
            return
        self.emit(ev.StepRetrying(number, step.attempt, error, delay, epoch, usage))
        if delay > 0:
            self.set_timer(TimerKind.RETRY, number, step.attempt, delay)

    def lose(self, number: int, reason: str, epoch: int, *, handed_back: bool = False) -> None:
        """The attempt went with its worker: another follows at once, but not for ever."""
        step = self.step(number)
        if handed_back:
            error = Failure(HANDED_BACK, reason, FailureClass.LOST)
            self.emit(ev.StepRetrying(number, step.attempt, error, 0, epoch))
            return
        if step.crashes + 1 >= MAX_CRASHES:
            message = f"lost with its worker {step.crashes + 1} times, last: {reason}"
            error = Failure("crash_loop", message, FailureClass.LOST)
            self.end_failed(number, error, epoch)
            return
        error = Failure("lease_lost", reason, FailureClass.LOST)
        self.emit(ev.StepRetrying(number, step.attempt, error, 0, epoch))

    def end_failed(
        self, number: int, error: Failure, epoch: int = 0, usage: Usage | None = None
    ) -> None:
        """End the step as failed; its policy, or its parent, says what that means."""
        spec, attempt = self.spec(number), self.step(number).attempt
        tolerated = spec.parent is not None or spec.on_fail is not OnFail.FAIL
        self.emit(ev.StepFailed(number, attempt, error, tolerated, epoch, usage or Usage()))
        drains = not tolerated and self.draft.graph.siblings is Siblings.DRAIN
        self.stop_children(number, "parent_failed")
        if not tolerated:
            # D2-07: nothing stays live; what comes late from those that were stopped is rejected.
            self.cancel_steps("sibling_failed", spares_running=drains)

    def stop_children(self, number: int, reason: str) -> None:
        """End the live children of a step, and theirs; the step itself is no longer blocked."""
        family = self.step(number).family
        if family is not None and family.live > 0:
            for child in self.draft.children(number):
                self._stop(child, reason)
                self.stop_children(child, reason)

    def cancel_steps(self, reason: str, *, spares_running: bool = False) -> None:
        """End every live step; with *spares_running* those at work may end by themselves."""
        for number in range(self.draft.size):
            if not (spares_running and self._is_at_work(number)):
                self._stop(number, reason)

    def reject(self, step: int, attempt: int, epoch: int, outcome: str) -> None:
        """Keep a late result on record, a bounded number of times."""
        if self.run.rejected < MAX_REJECTED:
            self.emit(ev.ResultRejected(step, attempt, epoch, outcome))

    def _is_at_work(self, number: int) -> bool:
        """Whether somebody holds the step, or a child that it waits for."""
        step = self.step(number)
        if step.status is not StepStatus.BLOCKED or step.family is None:
            return step.status is StepStatus.RUNNING
        return any(self._is_at_work(child) for child in self.draft.children(number))

    def _stop(self, number: int, reason: str) -> None:
        if not self.step(number).status.is_terminal:
            self.emit(ev.StepCancelled(number, reason))
