"""What each event means for a run. `fold` and `decide` share this one meaning."""

from __future__ import annotations

from typing import assert_never

from flowrunner.core import events as ev
from flowrunner.core.children import call_child, list_child
from flowrunner.core.draft import Draft, cascades
from flowrunner.core.generations import begin_anew
from flowrunner.core.model import (
    HANDED_BACK,
    Failure,
    FailureClass,
    Family,
    Opening,
    RunStatus,
    StepState,
    StepStatus,
)


def apply(draft: Draft, event: ev.Event) -> None:
    """Change what *event* means."""
    draft.count_event()
    match event:
        case ev.RunStarted(excluded=excluded):
            _start(draft, excluded)
        case ev.ResultRejected():
            draft.set_run(rejected=draft.run.rejected + 1)
        case ev.RunFailing(error=error):
            draft.set_run(failure=error)
        case ev.RunCompleted():
            draft.set_run(status=RunStatus.COMPLETED)
        case ev.RunFailed(error=error):
            draft.set_run(status=RunStatus.FAILED, failure=error)
        case ev.RunCancelled():
            draft.set_run(status=RunStatus.CANCELLED)
        case ev.RunPaused():
            draft.set_run(status=RunStatus.PAUSED)
        case ev.RunResumed():
            draft.set_run(status=RunStatus.RUNNING)
        case ev.RunRetried():
            begin_anew(draft, event)
        case ev.RunRepaired() | ev.RunRendered():
            pass
        case _:
            _apply_step(draft, event)


def _start(draft: Draft, excluded: tuple[tuple[int, str], ...]) -> None:
    draft.set_run(status=RunStatus.RUNNING)
    gone = [number for number, _reason in excluded]
    for number in gone:
        draft.move(number, StepStatus.EXCLUDED)
    # Those that wait for nothing now; the others pass on what reaches them.
    draft.settle_excluded([n for n in gone if not draft.spec(n).needs])
    roots = {n for n, spec in enumerate(draft.graph.steps) if not spec.needs} - set(gone)
    draft.woken[:] = sorted(roots | set(draft.woken))


def _apply_step(draft: Draft, event: ev.StepEvent) -> None:
    number = event.step
    step = draft.step(number)
    match event:
        case ev.StepDispatched(attempt=attempt, prompt=prompt):
            kept = prompt if prompt is not None else step.prompt
            draft.move(number, StepStatus.RUNNING, attempt=attempt, prompt=kept)
        case ev.StepRetrying():
            _retry(draft, event)
        case ev.StepCompleted(epoch=epoch):
            draft.move(number, StepStatus.COMPLETED, epoch=epoch)
        case ev.StepFailed():
            _fail(draft, event)
        case ev.StepSkipped():
            is_cut = cascades(step, draft.spec(number), StepStatus.SKIPPED)
            draft.move(number, StepStatus.SKIPPED, cascades=is_cut)
        case ev.StepCancelled(epoch=epoch):
            draft.move(number, StepStatus.CANCELLED, epoch=epoch or step.epoch)
        case ev.StepDue():
            draft.put(number, step._replace(delayed=False))
        case _:
            _apply_blocked(draft, event)


def _apply_blocked(
    draft: Draft,
    event: ev.StepSlept
    | ev.ApprovalRequested
    | ev.ApprovalReminded
    | ev.ApprovalDecided
    | ev.StepExpanded
    | ev.StepIterated
    | ev.CallRequested,
) -> None:
    match event:
        case ev.StepSlept():
            # A wait that is begun anew must not be ended by the timer of the earlier one.
            attempt = draft.step(event.step).attempt + 1
            draft.move(event.step, StepStatus.BLOCKED, attempt=attempt)
        case ev.ApprovalRequested(attempt=attempt):
            draft.move(event.step, StepStatus.BLOCKED, attempt=attempt)
        case ev.ApprovalReminded():
            pass
        case ev.ApprovalDecided(then=then):
            step = draft.step(event.step)
            draft.put(event.step, step._replace(redos=step.redos + (then == "redo")))
        case ev.StepExpanded():
            _expand(draft, event)
        case ev.StepIterated():
            _iterate(draft, event)
        case ev.CallRequested():
            _call(draft, event)
        case _:
            assert_never(event)


def _retry(draft: Draft, event: ev.StepRetrying) -> None:
    step = draft.step(event.step)
    lost = event.error.failure_class is FailureClass.LOST
    draft.move(
        event.step,
        StepStatus.PENDING,
        delayed=event.delay_seconds > 0,
        prompt=event.prompt or step.prompt,
        redos=step.redos + (event.prompt is not None),
        failures=step.failures + (event.counted and not lost),
        crashes=step.crashes + (lost and event.error.code != HANDED_BACK),
        # A lost lease's epoch is not remembered: its late result is no duplicate.
        epoch=step.epoch if lost else event.epoch,
    )


def _fail(draft: Draft, event: ev.StepFailed) -> None:
    step, spec = draft.step(event.step), draft.spec(event.step)
    lost = event.error.failure_class is FailureClass.LOST
    kept = step.epoch if lost else event.epoch
    is_cut = cascades(step, spec, StepStatus.FAILED)
    if event.tolerated:
        draft.set_run(tolerated=draft.run.tolerated + 1)
    elif draft.run.failure is None:
        message = f"step '{spec.key}' failed: {event.error.message}"
        draft.set_run(failure=Failure(event.error.code, message, hint=event.error.hint))
    draft.move(event.step, StepStatus.FAILED, epoch=kept, cascades=is_cut)


def _expand(draft: Draft, event: ev.StepExpanded) -> None:
    """Add this event's children; the first `parallel` of all may begin at once."""
    parent = draft.spec(event.step)
    step = draft.step(event.step)
    family = step.family if step.status is StepStatus.BLOCKED else None
    if family is None:
        size = event.total - event.dropped
        family = Family(event.first, size, needed=event.needed, items=event.items)
    assert parent.each is not None  # noqa: S101  # only such steps are expanded
    at = event.first - family.first
    released = max(0, min(parent.each.parallel - at, len(event.keys)))
    family = family._replace(
        live=family.live + len(event.keys), released=family.released + released
    )
    draft.move(event.step, StepStatus.BLOCKED, family=family)
    for index, key in enumerate(event.keys):
        state = StepState(opening=Opening.OPEN) if index < released else StepState(waiting=1)
        draft.add(list_child(parent, event.step, key, at + index), state)
    if family.size == 0:
        draft.complete.append(event.step)


def _iterate(draft: Draft, event: ev.StepIterated) -> None:
    parent, step = draft.spec(event.step), draft.step(event.step)
    before = step.family if event.iteration > 1 and step.family is not None else Family()
    family = before._replace(
        size=event.iteration,
        live=1,
        needed=event.iteration,
        calls=(*before.calls, (str(event.iteration), event.child)),
    )
    draft.move(event.step, StepStatus.BLOCKED, family=family)
    child = list_child(parent, event.step, str(event.iteration), event.iteration)
    draft.add(child, StepState(opening=Opening.OPEN))


def _call(draft: Draft, event: ev.CallRequested) -> None:
    parent, step = draft.spec(event.step), draft.step(event.step)
    family = step.family or Family()
    family = family._replace(
        size=family.size + 1,
        live=family.live + 1,
        calls=(*family.calls, (event.key, event.child)),
    )
    draft.put(event.step, step._replace(family=family))
    child = call_child(parent, event.step, event)
    draft.add(child, StepState(opening=Opening.OPEN, prompt=event.prompt))
