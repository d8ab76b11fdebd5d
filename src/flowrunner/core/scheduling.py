"""Decide what a run's inputs mean. Pure and total: a late or impossible input is a no-op (R2-13).

Nothing here reads a clock: delays are relative, and the database adds them to its own time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flowrunner.core import approving, beginning, controlling, settling
from flowrunner.core import events as ev
from flowrunner.core import inputs as inp
from flowrunner.core.admission import is_possible, precedence
from flowrunner.core.deciding import Deciding
from flowrunner.core.decision import Ask, Decision, Render, Verdict
from flowrunner.core.model import RunState, RunStatus, StepStatus


def decide(state: RunState, inputs: Sequence[inp.Input]) -> Decision:
    """Return what must be committed for *inputs*; the same arguments give the same answer.

    The order of a batch does not decide how the run ends: `precedence` does (D2-33).
    """
    return decide_and_fold(state, inputs)[0]


def decide_and_fold(state: RunState, inputs: Sequence[inp.Input]) -> tuple[Decision, RunState]:
    """As `decide`, with what `fold` would make of the events: deciding has done that work."""
    deciding = Deciding(state)
    verdicts = [Verdict.LATE] * len(inputs)
    for index in _order(inputs, len(state.graph.steps)):
        verdicts[index] = _take(deciding, inputs[index])
    asks = _advance(deciding)
    events = tuple(deciding.events)
    guards, timers = tuple(deciding.guards), tuple(deciding.timers)
    decision = Decision(events, guards, timers, asks, tuple(verdicts))
    return decision, deciding.draft.freeze() if events else state


def _order(inputs: Sequence[inp.Input], known: int) -> Iterable[int]:
    """Who is heard first; children before their parents, whose end would stop them (D2-32)."""
    if len(inputs) < 2:  # noqa: PLR2004
        return range(len(inputs))

    def rank(index: int) -> tuple[int, int]:
        number: int = getattr(inputs[index], "step", 0)
        return precedence(inputs[index]), -number if number >= known else 0

    return sorted(range(len(inputs)), key=rank)


def _take(deciding: Deciding, given: inp.Input) -> Verdict:
    """Turn one input into events, if it still means something."""
    if not is_possible(given, deciding.draft.size):
        return Verdict.LATE
    match deciding.draft.status:
        case RunStatus.QUEUED:
            is_first = isinstance(given, inp.Launched)
            return settling.launch(deciding, given) if is_first else Verdict.LATE
        case RunStatus.RUNNING:
            return _while_running(deciding, given)
        case RunStatus.PAUSED:
            return _while_live(deciding, given)
        case _:
            return _after_the_end(deciding, given)


def _while_running(deciding: Deciding, given: inp.Input) -> Verdict:
    """What only a run hears that is not paused: answers to what it asked, and the detector."""
    match given:
        case inp.GuardEvaluated() | inp.PromptBuilt():
            return beginning.prepared(deciding, given)
        case inp.Expanded():
            return beginning.expand(deciding, given)
        case inp.WaitSet():
            return beginning.sleep(deciding, given)
        case inp.ApprovalBuilt():
            return approving.request(deciding, given)
        case inp.Gathered():
            return beginning.gathered(deciding, given)
        case inp.LoopJudged():
            return beginning.judged(deciding, given)
        case inp.ReportRendered():
            return settling.finish(deciding, given)
        case inp.StallFound():
            return settling.repair(deciding, given)
        case _:
            return _while_live(deciding, given)


def _while_live(deciding: Deciding, given: inp.Input) -> Verdict:
    """What a run hears even when it is paused: what was at work goes on, and people may speak."""
    match given:
        case inp.TaskSettled():
            return settling.settle(deciding, given)
        case inp.TaskLost():
            return settling.lose(deciding, given)
        case inp.CallAsked():
            return settling.call(deciding, given)
        case inp.TimerFired():
            return settling.fire(deciding, given)
        case inp.Rejected(step=step, attempt=attempt, epoch=epoch, outcome=outcome):
            deciding.reject(step, attempt, epoch, outcome)
            return Verdict.ACCEPTED
        case inp.ApprovalGiven():
            return approving.decide_approval(deciding, given)
        case inp.CancelRequested(reason=reason, actor=actor):
            return controlling.cancel(deciding, reason, actor)
        case inp.PauseRequested():
            return controlling.pause(deciding, given)
        case inp.ResumeRequested():
            return controlling.resume(deciding, given)
        case inp.StopRequested():
            return controlling.stop_step(deciding, given)
        case _:
            return Verdict.LATE


def _after_the_end(deciding: Deciding, given: inp.Input) -> Verdict:
    """The log is closed but for a retry; a result that was applied before is no late one (P1)."""
    match given:
        case inp.TaskSettled(step=step, epoch=epoch):
            is_known = deciding.step(step).epoch == epoch != 0
            return Verdict.DUPLICATE if is_known else Verdict.LATE
        case inp.RetryRequested():
            return controlling.retry(deciding, given)
        case inp.RenderRequested():
            return controlling.render(deciding, given)
        case inp.ReportRendered():
            return settling.rendered_again(deciding, given)
        case _:
            return Verdict.LATE


def _advance(deciding: Deciding) -> tuple[Ask, ...]:
    """Begin whatever may begin, until nothing moves; return what has to be asked."""
    draft = deciding.draft
    at = 0
    while draft.status is RunStatus.RUNNING:
        if draft.lost:
            _skip(deciding, draft.lost.pop())
        elif draft.complete:
            beginning.look_at_family(deciding, draft.complete.pop())
        elif at < len(draft.woken):
            at += 1
            beginning.offer(deciding, draft.woken[at - 1])
        else:
            break
    run = deciding.run
    if run.status is RunStatus.RUNNING and run.remaining == 0:
        deciding.asks[Render(partial=run.failure is not None)] = None
    return tuple(deciding.asks)


def _skip(deciding: Deciding, number: int) -> None:
    """A step that can never begin is skipped, and says why."""
    step = deciding.step(number)
    if step.status is not StepStatus.PENDING:
        return
    # With neither it could begin: where nothing failed or was cut, skips satisfy (R2-20).
    deciding.emit(ev.StepSkipped(number, "need_cut" if step.cut > 0 else "need_failed"))
