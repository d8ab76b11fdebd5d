"""What people may ask of a run: pause, resume, cancel, stop a step, retry, render again."""

from __future__ import annotations

from dataclasses import dataclass, field

from flowrunner.core import events as ev
from flowrunner.core import inputs as inp
from flowrunner.core.deciding import Deciding
from flowrunner.core.decision import Render, Verdict
from flowrunner.core.draft import Draft, is_decided
from flowrunner.core.generations import below
from flowrunner.core.graph import OnFail
from flowrunner.core.model import Failure, Opening, RunStatus, StepStatus

_AGAIN = frozenset({StepStatus.FAILED, StepStatus.CANCELLED})


def cancel(deciding: Deciding, reason: str, actor: str) -> Verdict:
    """End the run now and for good, with all its steps (P12)."""
    deciding.cancel_steps("run_cancelled")
    deciding.emit(ev.RunCancelled(reason, actor))
    return Verdict.ACCEPTED


def pause(deciding: Deciding, given: inp.PauseRequested) -> Verdict:
    if deciding.run.status is RunStatus.PAUSED:
        return Verdict.DUPLICATE
    deciding.emit(ev.RunPaused(given.reason, given.actor))
    return Verdict.ACCEPTED


def resume(deciding: Deciding, given: inp.ResumeRequested) -> Verdict:
    if deciding.run.status is not RunStatus.PAUSED:
        return Verdict.DUPLICATE
    deciding.emit(ev.RunResumed(given.reason, given.actor))
    look_at_all(deciding)
    return Verdict.ACCEPTED


def look_at_all(deciding: Deciding) -> None:
    """Find everything that has a reason to move. Scans all steps."""
    draft = deciding.draft
    for number in range(draft.size):
        step = draft.step(number)
        if step.is_ready:
            draft.woken.append(number)
        elif step.status is StepStatus.PENDING and step.opening is Opening.NEVER:
            draft.lost.append(number)
        elif step.status is StepStatus.BLOCKED and step.family and is_decided(step.family):
            draft.complete.append(number)


def stop_step(deciding: Deciding, given: inp.StopRequested) -> Verdict:
    """Fail one step as stopped: that one, not the run (D2-11); its `on_fail` says what follows."""
    if deciding.step(given.step).status.is_terminal:
        return Verdict.LATE
    reason = f": {given.reason}" if given.reason else ""
    deciding.end_failed(given.step, Failure("stopped", f"stopped by {given.actor}{reason}"))
    return Verdict.ACCEPTED


def render(deciding: Deciding, given: inp.RenderRequested) -> Verdict:
    """Ask for the report of an ended run again; the answer is recorded when it comes."""
    status = deciding.run.status
    if not status.is_terminal:
        return Verdict.LATE
    deciding.asks[Render(status is not RunStatus.COMPLETED, given.actor)] = None
    return Verdict.ACCEPTED


def retry(deciding: Deciding, given: inp.RetryRequested) -> Verdict:
    """Begin an ended run anew; refused when nothing in it could be done again."""
    if not deciding.run.status.is_terminal:
        return Verdict.LATE
    draft, graph = deciding.draft, deciding.draft.graph
    again = _what_again(draft, given.from_step)
    if not again.steps and not again.reopened:
        return Verdict.LATE
    key = "" if given.from_step is None else draft.spec(given.from_step).key
    generation = deciding.run.generation + 1
    steps, reopened = tuple(sorted(again.steps | again.children)), tuple(sorted(again.reopened))
    deciding.emit(ev.RunRetried(generation, steps, given.reason, given.actor, key, reopened))
    if graph.deadline_seconds is not None:
        kind = inp.TimerKind.RUN_DEADLINE
        deciding.set_timer(kind, inp.RUN_LEVEL, generation, graph.deadline_seconds)
    look_at_all(deciding)
    return Verdict.ACCEPTED


@dataclass(slots=True)
class _Again:
    """What begins anew: *steps* whole, of *reopened* lists only *children*."""

    steps: set[int] = field(default_factory=set[int])
    reopened: set[int] = field(default_factory=set[int])
    children: set[int] = field(default_factory=set[int])


def _what_again(draft: Draft, start: int | None) -> _Again:
    """What begins anew: all that is bad; or *start*, with all that keeps the run from ending well.

    And what depends on it.
    """
    again = _Again()
    if start is not None and not _add(again, draft, start, is_named=True):
        return again
    for number in range(len(draft.graph.steps)):
        if _is_in_the_way(draft, number) or (start is None and _is_bad(draft, number)):
            _add(again, draft, number)
    _complete(again, draft)
    return again


def _is_in_the_way(draft: Draft, number: int) -> bool:
    status, on_fail = draft.step(number).status, draft.spec(number).on_fail
    is_untolerated = status is StepStatus.FAILED and on_fail is OnFail.FAIL
    return is_untolerated or status is StepStatus.CANCELLED


def _is_bad(draft: Draft, number: int) -> bool:
    """Whether the step, or one of its children, did not end well."""
    if draft.step(number).status in _AGAIN:
        return True
    # What a step that ended well had stopped, it did not need.
    failed = (n for n in draft.children(number) if draft.step(n).status is not StepStatus.CANCELLED)
    return any(_is_bad(draft, n) for n in failed)


def _add(again: _Again, draft: Draft, number: int, *, is_named: bool = False) -> bool:
    """Let a step begin anew; a list that is not named itself, only where it did not end well.

    False for a child that was left behind by an earlier generation.
    """
    member: int | None = None
    while number >= len(draft.graph.steps):
        member, parent = number, draft.spec(number).parent
        if parent is None or number not in draft.children(parent):
            return False
        number = parent
    is_list = draft.graph.steps[number].each is not None and draft.step(number).family is not None
    if not is_list or (is_named and member is None):
        again.steps.add(number)
        return True
    again.reopened.add(number)
    again.children |= {n for n in draft.children(number) if n == member or _is_bad(draft, n)}
    return True


def _complete(again: _Again, draft: Draft) -> None:
    """Add what depends on it; a list that begins anew itself is not reopened."""
    graph = draft.graph
    after = {dependent for number in again.reopened for dependent in graph.dependents[number]}
    affected = below(graph, again.steps | after)
    again.steps = {n for n in affected if draft.step(n).status is not StepStatus.EXCLUDED}
    again.reopened -= again.steps
    again.children = {n for n in again.children if draft.spec(n).parent in again.reopened}
