"""What happened to a run, in words: events one line each, open questions, statuses by key."""

from __future__ import annotations

from collections.abc import Iterable

from flowrunner.core import events as ev
from flowrunner.core.decision import Ask, Gather, Judge, Prepare, Render
from flowrunner.core.graph import Graph
from flowrunner.core.model import RunState, unstarted


def story(known: Graph | RunState, events: Iterable[ev.Event]) -> list[str]:
    """Tell *events* in words, one line each; *known* knows all their steps."""
    state = unstarted(known) if isinstance(known, Graph) else known
    return [_sentence(state, event) for event in events]


def _sentence(state: RunState, event: ev.Event) -> str:
    match event:
        case ev.RunStarted(excluded=excluded):
            return " ".join(["run started", *(f"-{state.spec(n).key}" for n, _ in excluded)])
        case ev.RunFailing(error=error) | ev.RunFailed(error=error):
            return f"run {'failed' if isinstance(event, ev.RunFailed) else 'failing'}: {error.code}"
        case ev.RunRepaired():
            return "run repaired"
        case ev.RunCompleted(degraded=degraded):
            return "run completed, degraded" if degraded else "run completed"
        case ev.RunCancelled(reason=reason, actor=actor):
            return f"run cancelled by {actor}: {reason}"
        case ev.RunPaused() | ev.RunResumed():
            return f"run {'paused' if isinstance(event, ev.RunPaused) else 'resumed'}"
        case ev.RunRetried(generation=generation, steps=steps, reopened=reopened):
            names = [state.spec(n).key for n in steps] + [
                f"({state.spec(n).key})" for n in reopened
            ]
            return f"run retried, generation {generation}: {' '.join(names)}"
        case ev.RunRendered(error=error):
            return f"run rendered{f': {error.code}' if error else ''}"
        case _:
            return f"{state.spec(event.step).key}{_step_sentence(event)}"


def _step_sentence(event: ev.StepEvent | ev.ResultRejected) -> str:
    match event:
        case ev.StepDispatched(attempt=attempt):
            return f"#{attempt} dispatched"
        case ev.StepCompleted(attempt=attempt):
            return f"#{attempt} completed"
        case ev.StepRetrying(attempt=attempt, error=error):
            return f"#{attempt} retrying: {error.code}"
        case ev.StepFailed(attempt=attempt, error=error, tolerated=tolerated):
            return f"#{attempt} failed: {error.code}{', tolerated' * tolerated}"
        case ev.ResultRejected(attempt=attempt, outcome=outcome):
            return f"#{attempt} rejected: {outcome}"
        case ev.StepSkipped(reason=reason):
            return f" skipped: {reason}"
        case ev.StepCancelled(reason=reason):
            return f" cancelled: {reason}"
        case _:
            return _other_sentence(event)


def _other_sentence(event: ev.StepEvent) -> str:
    match event:
        case ev.StepExpanded(keys=keys):
            return f" expanded: {' '.join(keys)}"
        case ev.StepIterated(iteration=iteration):
            return f" iterated: {iteration}"
        case ev.CallRequested(key=key):
            return f" called: {key}"
        case ev.StepSlept(seconds=seconds):
            return f" slept: {seconds:g}"
        case ev.StepDue():
            return " due"
        case ev.ApprovalRequested(attempt=attempt):
            return f"#{attempt} requested"
        case ev.ApprovalReminded(count=count):
            return f" reminded: {count}"
        case ev.ApprovalDecided(approved=approved, actor=actor, then=then):
            return (
                f" {'approved' if approved else 'rejected'} by {actor}{f': {then}' if then else ''}"
            )
        case _:
            raise ValueError(f"no words for {event}")


def questions(known: Graph | RunState, asks: Iterable[Ask]) -> list[str]:
    state = unstarted(known) if isinstance(known, Graph) else known
    return [_question(state, ask) for ask in asks]


def _question(state: RunState, ask: Ask) -> str:
    match ask:
        case Prepare(step=step):
            return f"prepare {state.spec(step).key}?"
        case Gather(step=step):
            return f"gather {state.spec(step).key}?"
        case Judge(step=step, iteration=iteration):
            return f"judge {state.spec(step).key} {iteration}?"
        case Render(partial=partial):
            return "render what there is?" if partial else "render?"


def statuses(state: RunState) -> dict[str, str]:
    """Return each step's status by key, and the run's under `run`; of one name the latest."""
    found = {
        spec.key: str(step.status) for spec, step in zip(state.specs(), state.steps, strict=True)
    }
    return {"run": str(state.status), **found}
