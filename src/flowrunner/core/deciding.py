"""A decision while it is made: what happened so far, and the verbs that every part of it shares."""

from __future__ import annotations

from flowrunner.core import events as ev
from flowrunner.core import meaning
from flowrunner.core.decision import Ask, Guard, SetTimer
from flowrunner.core.draft import Draft
from flowrunner.core.graph import OnFail, Siblings, StepSpec
from flowrunner.core.inputs import Errored, TimerKind
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
from flowrunner.core.retries import next_delay, quota_delay, waits_for_quota


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
        record: Ref | None = None,
    ) -> None:
        """End the step well; calls that its code did not wait for are stopped."""
        attempt = self.step(number).attempt
        self.emit(ev.StepCompleted(number, attempt, output, epoch, usage, losses, record))
        self.stop_children(number, "parent_ended")

    def fail(self, number: int, given: Errored, epoch: int) -> None:
        """End the attempt; try again if the step's policy says so, or once there is quota again."""
        attempt, delay = self.step(number).attempt, self._delay(number, given, epoch)
        if delay is None or self.run.failure is not None:
            self.end_failed(number, given, epoch)
            return
        counts = not waits_for_quota(self.spec(number).retry, given.error)
        kept = (given.usage, counts, given.record, given.partial)
        self.emit(ev.StepRetrying(number, attempt, given.error, delay, epoch, *kept))
        if delay > 0:
            self.set_timer(TimerKind.RETRY, number, attempt, delay)

    def _delay(self, number: int, given: Errored, epoch: int) -> float | None:
        step, policy = self.step(number), self.spec(number).retry
        # An epoch is unique among all runs: what failed together must not come back together.
        seed = f"{epoch}/{number}"
        if not waits_for_quota(policy, given.error):
            return next_delay(policy, given.error, step.failures + 1, seed)
        # What was handed back, and attempts before the run began anew, count as waits, too: at
        # most that makes a step wait for an hour.
        waits = step.attempt - step.failures - step.crashes - step.redos
        return quota_delay(given.pause_seconds, waits, seed)

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

    def end_failed(self, number: int, why: Failure | Errored, epoch: int = 0) -> None:
        """End the step as failed; its policy, or its parent, says what that means."""
        spec, attempt = self.spec(number), self.step(number).attempt
        tolerated = spec.parent is not None or spec.on_fail is not OnFail.FAIL
        given = why if isinstance(why, Errored) else Errored(why)
        kept = (given.usage, given.record, given.partial)
        self.emit(ev.StepFailed(number, attempt, given.error, tolerated, epoch, *kept))
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
