"""What the world tells a run: results, losses, calls, timers, reports, and that it stands still."""

from __future__ import annotations

from typing import assert_never

from flowrunner.core import approving
from flowrunner.core import events as ev
from flowrunner.core import inputs as inp
from flowrunner.core.bodies import NOTHING
from flowrunner.core.controlling import look_at_all
from flowrunner.core.deciding import Deciding
from flowrunner.core.decision import LeaseGuard, TimerGuard, Verdict
from flowrunner.core.graph import StepKind
from flowrunner.core.model import Failure, RunStatus, StepStatus
from flowrunner.core.repairing import send_back

MAX_CALLS = 1000
"""Calls that one code step may make: code that calls in a circle must come to an end."""


def launch(deciding: Deciding, given: inp.Launched) -> Verdict:
    """The run begins, and so does the time it has."""
    deciding.emit(ev.RunStarted(given.flow, given.band, given.definition, given.excluded))
    deadline = deciding.draft.graph.deadline_seconds
    if deadline is not None:
        deciding.set_timer(inp.TimerKind.RUN_DEADLINE, inp.RUN_LEVEL, 0, deadline)
    return Verdict.ACCEPTED


def settle(deciding: Deciding, given: inp.TaskSettled) -> Verdict:
    """A result: applied once, whoever repeats it; late ones are kept on record (P1, P2)."""
    step = deciding.step(given.step)
    if step.epoch == given.epoch != 0:
        return Verdict.DUPLICATE
    if step.status is not StepStatus.RUNNING or step.attempt != given.attempt:
        outcome = type(given.outcome).__name__.lower()
        deciding.reject(given.step, given.attempt, given.epoch, outcome)
        return Verdict.LATE
    deciding.guards.append(LeaseGuard(given.step, given.attempt, given.epoch))
    match given.outcome:
        case inp.Succeeded(output=output, usage=usage, losses=losses, record=record):
            deciding.complete(
                given.step, output, epoch=given.epoch, usage=usage, losses=losses, record=record
            )
        case inp.Errored() as errored:
            if not send_back(deciding, given.step, errored, given.epoch):
                deciding.fail(given.step, errored, given.epoch)
        case inp.Stopped(reason=reason):
            deciding.emit(ev.StepCancelled(given.step, reason, given.epoch))
            key = deciding.spec(given.step).key
            deciding.cancel_steps("run_cancelled")
            why = f"step '{key}' was cancelled: {reason}"
            deciding.emit(ev.RunCancelled(why, "dispatcher"))
        case _:
            assert_never(given.outcome)
    return Verdict.ACCEPTED


def lose(deciding: Deciding, given: inp.TaskLost) -> Verdict:
    """The attempt's worker is gone."""
    step = deciding.step(given.step)
    if step.status is not StepStatus.RUNNING or step.attempt != given.attempt:
        return Verdict.LATE
    deciding.guards.append(LeaseGuard(given.step, given.attempt, given.epoch))
    deciding.lose(given.step, given.reason, given.epoch, handed_back=given.handed_back)
    return Verdict.ACCEPTED


def call(deciding: Deciding, given: inp.CallAsked) -> Verdict:
    """A code step asks for an agent's answer; asked again, it is the same call (D2-13)."""
    number = given.step
    step, spec = deciding.step(number), deciding.spec(number)
    is_current = step.status is StepStatus.RUNNING and step.attempt == given.attempt
    if not is_current or spec.kind is not StepKind.CODE:
        return Verdict.LATE
    calls = dict(step.family.calls) if step.family is not None else {}
    if given.key in calls:
        return Verdict.DUPLICATE
    deciding.guards.append(LeaseGuard(number, given.attempt, given.epoch))
    if len(calls) >= MAX_CALLS:
        message = f"step '{spec.key}' made more than {MAX_CALLS} calls"
        deciding.end_failed(number, Failure("too_many_calls", message), given.epoch)
        return Verdict.ACCEPTED
    deciding.emit(
        ev.CallRequested(
            number,
            deciding.draft.size,
            given.key,
            given.prompt,
            given.persona,
            given.max_attempts,
            given.total_seconds,
        )
    )
    return Verdict.ACCEPTED


def fire(deciding: Deciding, given: inp.TimerFired) -> Verdict:
    """A timer is due; it goes with the decision that it causes."""
    guard = TimerGuard(given.kind, given.step, given.token)
    if guard in deciding.guards or not _fired(deciding, given):
        return Verdict.LATE
    deciding.guards.append(guard)
    return Verdict.ACCEPTED


def _fired(deciding: Deciding, given: inp.TimerFired) -> bool:
    match given.kind:
        case inp.TimerKind.RUN_DEADLINE:
            return _run_out(deciding)
        case _ if given.step < 0:
            return False
        case inp.TimerKind.RETRY:
            return _try_again(deciding, given)
        case inp.TimerKind.QUEUE:
            return _wait_no_more(deciding, given)
        case inp.TimerKind.WAKE:
            return _wake(deciding, given)
        case inp.TimerKind.EXPIRY:
            return approving.expire(deciding, given.step, given.token)
        case inp.TimerKind.REMINDER:
            return approving.remind(deciding, given.step, given.token)
        case _:
            assert_never(given.kind)


def _run_out(deciding: Deciding) -> bool:
    if deciding.run.remaining == 0:
        return False
    seconds = deciding.draft.graph.deadline_seconds
    message = f"the run did not end within {seconds} seconds"
    deciding.emit(ev.RunFailing(Failure("run_deadline", message)))
    deciding.cancel_steps("run_deadline")
    return True


def _try_again(deciding: Deciding, given: inp.TimerFired) -> bool:
    step = deciding.step(given.step)
    if not step.delayed or step.attempt != given.token:
        return False
    if deciding.run.status is RunStatus.PAUSED:
        deciding.emit(ev.StepDue(given.step))
    else:
        deciding.dispatch(given.step)
    return True


def _wait_no_more(deciding: Deciding, given: inp.TimerFired) -> bool:
    step = deciding.step(given.step)
    if step.status is not StepStatus.RUNNING or step.attempt != given.token:
        return False
    # Holds only while nobody has claimed it: then the limit is not about this attempt any more.
    deciding.guards.append(LeaseGuard(given.step, given.token, 0))
    seconds = deciding.spec(given.step).limits.queue_seconds
    message = f"no worker took it within {seconds} seconds"
    deciding.end_failed(given.step, Failure("queue_timeout", message))
    return True


def _wake(deciding: Deciding, given: inp.TimerFired) -> bool:
    step = deciding.step(given.step)
    is_wait = deciding.spec(given.step).kind is StepKind.WAIT
    if not is_wait or step.status is not StepStatus.BLOCKED or step.attempt != given.token:
        return False
    deciding.complete(given.step, NOTHING)
    return True


def finish(deciding: Deciding, given: inp.ReportRendered) -> Verdict:
    """The report is there, or cannot be had: the run ends (D2-32, R2-45)."""
    run = deciding.run
    if run.remaining > 0 or given.actor:  # who asked for it asked when the run had ended
        return Verdict.LATE
    if run.failure is not None:
        report = None if isinstance(given.answer, Failure) else given.answer
        deciding.emit(ev.RunFailed(run.failure, report))
    elif isinstance(given.answer, Failure):
        message = f"report render threw: {given.answer.message}"
        deciding.emit(ev.RunFailed(Failure("render_failed", message)))
    else:
        is_degraded = run.tolerated > 0
        deciding.emit(ev.RunCompleted(given.outcome, given.answer, degraded=is_degraded))
    return Verdict.ACCEPTED


def rendered_again(deciding: Deciding, given: inp.ReportRendered) -> Verdict:
    """An ended run's report was asked for again, by somebody; others come too late."""
    if not given.actor:
        return Verdict.LATE
    if isinstance(given.answer, Failure):
        deciding.emit(ev.RunRendered(given.actor, error=given.answer))
    else:
        deciding.emit(ev.RunRendered(given.actor, given.answer, given.outcome))
    return Verdict.ACCEPTED


def repair(deciding: Deciding, given: inp.StallFound) -> Verdict:
    """Give a run that waits for nothing its next cause; say so only if there was none (P4)."""
    draft = deciding.draft
    orphans = [n for n in dict.fromkeys(given.missing) if _is_adoptable(deciding, n)]
    look_at_all(deciding)
    if orphans or draft.woken or draft.lost or draft.complete or deciding.run.remaining == 0:
        deciding.emit(ev.RunRepaired(given.reason))
        for number in orphans:
            _adopt(deciding, number)
        return Verdict.ACCEPTED
    if any(draft.step(number).is_waited_for for number in range(draft.size)):
        return Verdict.LATE
    # R2-23: validation refuses a graph that can come to this.
    deciding.emit(ev.RunFailing(Failure("unsatisfiable", "no step at work, none can begin")))
    deciding.cancel_steps("unsatisfiable")
    return Verdict.ACCEPTED


def _is_adoptable(deciding: Deciding, number: int) -> bool:
    """Whether a task or a timer moves the step, not its children."""
    step = deciding.step(number)
    return step.is_waited_for and not deciding.spec(number).has_children


def _adopt(deciding: Deciding, number: int) -> None:
    """Give one step back what should have moved it: its task, or its timer."""
    step, kind = deciding.step(number), deciding.spec(number).kind
    # An earlier one that ended as a crash loop has stopped the others: those are not lost too.
    if step.status is StepStatus.RUNNING:
        deciding.lose(number, "its task was gone from the queue", 0)
    elif step.delayed:
        deciding.dispatch(number)
    elif step.status is StepStatus.BLOCKED and kind is StepKind.WAIT:
        deciding.complete(number, NOTHING)
    elif step.status is StepStatus.BLOCKED and kind is StepKind.APPROVAL:
        approving.arm(deciding, number)
