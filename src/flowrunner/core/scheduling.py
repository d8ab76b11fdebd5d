"""Decide what a run's inputs mean. Pure and total: a late or impossible input is a no-op (R2-13).

Nothing here reads a clock: delays are relative, and the database adds them to its own time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from flowrunner.core import events as ev
from flowrunner.core import inputs as inp
from flowrunner.core.admission import is_possible, precedence
from flowrunner.core.decision import (
    Ask,
    Decision,
    Guard,
    LeaseGuard,
    Prepare,
    Render,
    SetTimer,
    TimerGuard,
    Verdict,
)
from flowrunner.core.draft import Draft
from flowrunner.core.graph import OnFail, StepKind, StepSpec
from flowrunner.core.model import (
    MAX_CRASHES,
    MAX_REJECTED,
    Failure,
    FailureClass,
    Ref,
    RunState,
    RunStatus,
    StepStatus,
    Usage,
)
from flowrunner.core.readiness import needs_preparing
from flowrunner.core.retries import next_delay


def decide(state: RunState, inputs: Sequence[inp.Input]) -> Decision:
    """Return what must be committed for *inputs*; the same arguments give the same answer.

    The order of a batch does not decide how the run ends: `precedence` does (D2-33).
    """
    scheduler = _Scheduler(state)
    order = sorted(range(len(inputs)), key=lambda n: precedence(inputs[n]))
    verdicts = [Verdict.LATE] * len(inputs)
    for index in order:
        verdicts[index] = scheduler.take(inputs[index])
    asks = scheduler.advance()
    return Decision(
        tuple(scheduler.events),
        tuple(scheduler.guards),
        tuple(scheduler.timers),
        asks,
        tuple(verdicts),
    )


class _Scheduler:
    def __init__(self, state: RunState) -> None:
        self.draft = Draft(state)
        self.events: list[ev.Event] = []
        self.guards: list[Guard] = []
        self.timers: list[SetTimer] = []

    def take(self, given: inp.Input) -> Verdict:
        """Turn one input into events, if it still means something."""
        if not is_possible(given, len(self.draft.graph.steps)):
            return Verdict.LATE
        if isinstance(given, inp.Launched):
            return self._launch(given)
        if self.draft.run.status is not RunStatus.RUNNING:
            return self._after_the_end(given)
        match given:
            case inp.TaskSettled():
                return self._settle(given)
            case inp.TaskLost():
                return self._lose(given)
            case inp.GuardEvaluated() | inp.PromptBuilt():
                return self._prepared(given)
            case inp.TimerFired():
                return self._fire(given)
            case inp.CancelRequested(reason=reason, actor=actor):
                self._cancel(reason, actor)
                return Verdict.ACCEPTED
            case inp.ReportRendered():
                return self._finish(given)
            case inp.StallFound():
                return self._repair(given)
            case inp.Rejected(step=step, attempt=attempt, epoch=epoch, outcome=outcome):
                self._reject(step, attempt, epoch, outcome)
                return Verdict.ACCEPTED
            case _:
                assert_never(given)

    def _after_the_end(self, given: inp.Input) -> Verdict:
        """The log is closed; a result that was applied before is still no late one (P1)."""
        if isinstance(given, inp.TaskSettled):
            is_known = self.draft.step(given.step).epoch == given.epoch != 0
            return Verdict.DUPLICATE if is_known else Verdict.LATE
        return Verdict.LATE

    def advance(self) -> tuple[Ask, ...]:
        """Offer what needs no preparing; ask for the rest."""
        if self.draft.run.status is not RunStatus.RUNNING:
            return ()
        asks: list[Ask] = []
        for number in dict.fromkeys(self.draft.woken):
            if not self.draft.step(number).is_ready:
                continue
            if needs_preparing(self._spec(number), self.draft.step(number)):
                asks.append(Prepare(number))
            else:
                self._dispatch(number)
        run = self.draft.run
        if run.remaining == 0:
            asks.append(Render(partial=run.failure is not None))
        return tuple(asks)

    def _launch(self, given: inp.Launched) -> Verdict:
        if self.draft.run.version != 0:
            return Verdict.LATE
        self._emit(ev.RunStarted(given.flow, given.band, given.definition, given.excluded))
        deadline = self.draft.graph.deadline_seconds
        if deadline is not None:
            kind = inp.TimerKind.RUN_DEADLINE
            self.timers.append(SetTimer(kind, inp.RUN_LEVEL, 0, deadline))
        return Verdict.ACCEPTED

    def _settle(self, given: inp.TaskSettled) -> Verdict:
        step = self.draft.step(given.step)
        if step.epoch == given.epoch != 0:
            return Verdict.DUPLICATE
        if step.status is not StepStatus.RUNNING or step.attempt != given.attempt:
            outcome = type(given.outcome).__name__.lower()
            self._reject(given.step, given.attempt, given.epoch, outcome)
            return Verdict.LATE
        self.guards.append(LeaseGuard(given.step, given.attempt, given.epoch))
        match given.outcome:
            case inp.Succeeded(output=output, usage=usage):
                attempt, epoch = given.attempt, given.epoch
                self._emit(ev.StepCompleted(given.step, attempt, output, epoch, usage))
            case inp.Errored(error=error, usage=usage):
                self._fail(given.step, error, given.epoch, usage)
            case inp.Stopped(reason=reason):
                self._emit(ev.StepCancelled(given.step, reason, given.epoch))
                key = self._spec(given.step).key
                self._cancel(f"step '{key}' was cancelled: {reason}", "dispatcher")
            case _:
                assert_never(given.outcome)
        return Verdict.ACCEPTED

    def _lose(self, given: inp.TaskLost) -> Verdict:
        step = self.draft.step(given.step)
        if step.status is not StepStatus.RUNNING or step.attempt != given.attempt:
            return Verdict.LATE
        self.guards.append(LeaseGuard(given.step, given.attempt, given.epoch))
        self._lost(given.step, given.reason, given.epoch)
        return Verdict.ACCEPTED

    def _lost(self, number: int, reason: str, epoch: int) -> None:
        step = self.draft.step(number)
        if step.crashes + 1 >= MAX_CRASHES:
            message = f"lost with its worker {step.crashes + 1} times, last: {reason}"
            error = Failure("crash_loop", message, FailureClass.LOST)
            self._end_failed(number, error, epoch, Usage())
            return
        error = Failure("lease_lost", reason, FailureClass.LOST)
        self._emit(ev.StepRetrying(number, step.attempt, error, 0, epoch))
        self._dispatch(number)

    def _fail(self, number: int, error: Failure, epoch: int, usage: Usage) -> None:
        step = self.draft.step(number)
        # An epoch is unique among all runs: what failed together must not come back together.
        seed = f"{epoch}/{number}"
        delay = next_delay(self._spec(number).retry, error, step.failures + 1, seed)
        if delay is None:
            self._end_failed(number, error, epoch, usage)
            return
        self._emit(ev.StepRetrying(number, step.attempt, error, delay, epoch, usage))
        if delay > 0:
            self.timers.append(SetTimer(inp.TimerKind.RETRY, number, step.attempt, delay))
        else:
            self._dispatch(number)

    def _end_failed(self, number: int, error: Failure, epoch: int, usage: Usage) -> None:
        attempt = self.draft.step(number).attempt
        tolerated = self._spec(number).on_fail is OnFail.TOLERATE
        self._emit(ev.StepFailed(number, attempt, error, tolerated, epoch, usage))
        if not tolerated:
            # D2-07: siblings are stopped and nothing stays live; their late results are rejected.
            self._cancel_steps("sibling_failed")

    def _prepared(self, given: inp.GuardEvaluated | inp.PromptBuilt) -> Verdict:
        if not self.draft.step(given.step).is_ready:
            return Verdict.LATE
        match given.answer:
            case Failure() as error:
                self._end_failed(given.step, error, 0, Usage())
            case True if self._spec(given.step).kind is StepKind.AGENT:
                return Verdict.LATE  # an agent's yes is its prompt
            case True:
                self._dispatch(given.step)
            case False:
                self._emit(ev.StepSkipped(given.step, "when_false"))
            case prompt:
                self._dispatch(given.step, prompt)
        return Verdict.ACCEPTED

    def _fire(self, given: inp.TimerFired) -> Verdict:
        match given.kind:
            case inp.TimerKind.RUN_DEADLINE:
                if self.draft.run.remaining == 0:
                    return Verdict.LATE
                seconds = self.draft.graph.deadline_seconds
                message = f"the run did not end within {seconds} seconds"
                self._emit(ev.RunFailing(Failure("run_deadline", message)))
                self._cancel_steps("run_deadline")
            case inp.TimerKind.RETRY:
                step = self.draft.step(given.step) if given.step >= 0 else None
                if step is None or not step.delayed or step.attempt != given.token:
                    return Verdict.LATE
                self._dispatch(given.step)
            case _:
                assert_never(given.kind)
        self.guards.append(TimerGuard(given.kind, given.step, given.token))
        return Verdict.ACCEPTED

    def _cancel(self, reason: str, actor: str) -> None:
        self._cancel_steps("run_cancelled")
        self._emit(ev.RunCancelled(reason, actor))

    def _cancel_steps(self, reason: str) -> None:
        for number in range(len(self.draft.graph.steps)):
            if not self.draft.step(number).status.is_terminal:
                self._emit(ev.StepCancelled(number, reason))

    def _finish(self, given: inp.ReportRendered) -> Verdict:
        run = self.draft.run
        if run.remaining > 0:
            return Verdict.LATE
        if run.failure is not None:
            report = None if isinstance(given.answer, Failure) else given.answer
            self._emit(ev.RunFailed(run.failure, report))
        elif isinstance(given.answer, Failure):
            message = f"report render threw: {given.answer.message}"
            self._emit(ev.RunFailed(Failure("render_failed", message)))
        else:
            self._emit(ev.RunCompleted(given.outcome, given.answer, degraded=run.tolerated > 0))
        return Verdict.ACCEPTED

    def _repair(self, given: inp.StallFound) -> Verdict:
        """Give a run that waits for nothing its next cause; say so only if there was none (P4)."""
        steps = [self.draft.step(number) for number in range(len(self.draft.graph.steps))]
        ready = [number for number, step in enumerate(steps) if step.is_ready]
        orphans = [n for n in given.missing if steps[n].is_waited_for]
        if orphans or ready or self.draft.run.remaining == 0:
            self._emit(ev.RunRepaired(given.reason))
            for number in dict.fromkeys(orphans):
                # One that ends as a crash loop stops the others: they must not be lost after that.
                if self.draft.step(number).status is StepStatus.RUNNING:
                    self._lost(number, "its task was gone from the queue", 0)
                elif self.draft.step(number).delayed:
                    self._dispatch(number)
            self.draft.woken += ready
            return Verdict.ACCEPTED
        if any(step.is_waited_for for step in steps):
            return Verdict.LATE
        # R2-23: validation refuses a graph that can come to this.
        self._emit(ev.RunFailing(Failure("unsatisfiable", "no step at work, none can begin")))
        self._cancel_steps("unsatisfiable")
        return Verdict.ACCEPTED

    def _reject(self, step: int, attempt: int, epoch: int, outcome: str) -> None:
        if self.draft.run.rejected < MAX_REJECTED:
            self._emit(ev.ResultRejected(step, attempt, epoch, outcome))

    def _dispatch(self, number: int, prompt: Ref | None = None) -> None:
        step = self.draft.step(number)
        stored = prompt if prompt is not None else step.prompt
        self._emit(ev.StepDispatched(number, step.attempt + 1, stored))

    def _emit(self, event: ev.Event) -> None:
        self.draft.apply(event)
        self.events.append(event)

    def _spec(self, number: int) -> StepSpec:
        return self.draft.graph.steps[number]
