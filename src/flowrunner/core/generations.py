"""Begin steps anew: after a run has ended, or when a person sends it back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TypeAlias

from flowrunner.core.draft import Draft, is_decided
from flowrunner.core.events import RunRetried
from flowrunner.core.graph import Graph, OnFail, StepKind, StepSpec
from flowrunner.core.model import Family, RunStatus, StepState, StepStatus, opening

Arrival: TypeAlias = tuple[int, int, int]
"""What a need that has ended counts for in its dependents: done, bad, cut."""


def below(graph: Graph, numbers: Iterable[int]) -> set[int]:
    """The given steps of the graph and everything that depends on them."""
    found: set[int] = set()
    waiting = list(numbers)
    while waiting:
        number = waiting.pop()
        if number not in found:
            found.add(number)
            waiting += graph.dependents[number]
    return found


def begin_anew(draft: Draft, event: RunRetried) -> None:
    """Reset what the event names; attempts count on, everything else of those steps is forgotten.

    A run that had ended goes on; one that is live keeps its status.
    """
    if draft.run.status.is_terminal:
        draft.set_run(status=RunStatus.RUNNING, failure=None)
    draft.set_run(generation=event.generation)
    stale = _stale(draft, event)
    for number in event.steps:
        keeps = number not in stale and not draft.spec(number).has_children
        calls = _finished_calls(draft, number, but=event.from_step) if keeps else None
        _reset(draft, number, calls)
    # Before others count how their needs ended: these no longer have.
    for parent in event.reopened:
        _reopen(draft, parent)
    known = len(draft.graph.steps)
    _recount(draft, {n for n in event.steps if n < known}, {*event.reopened})
    draft.set_run(tolerated=_tolerated(draft))


def _stale(draft: Draft, event: RunRetried) -> set[int]:
    """What may not be answered from earlier calls: its inputs change, or a person named it."""
    graph, first = draft.graph, {*event.steps, *event.reopened}
    again = {n for n in first if n < len(graph.steps)}
    named = {n for n in event.steps if draft.spec(n).key == event.from_step}
    return named | below(graph, {below for n in again for below in graph.dependents[n]})


def _reset(draft: Draft, number: int, family: Family | None) -> None:
    before, is_person = draft.step(number), draft.spec(number).kind is StepKind.APPROVAL
    after = StepState(
        waiting=1,  # counted anew below, or released by the parent
        attempt=before.attempt,
        epoch=before.epoch,
        redos=before.redos if is_person else 0,
        family=family,
    )
    draft.put(number, after)


def _finished_calls(draft: Draft, number: int, *, but: str) -> Family | None:
    """What a code step's journal still answers: calls that completed are not paid for again."""
    calls = tuple(
        (key, child)
        for key, child in draft.family(number).calls
        if draft.step(child).status is StepStatus.COMPLETED and draft.spec(child).key != but
    )
    return Family(size=len(calls), completed=len(calls), calls=calls) if calls else None


def _recount(draft: Draft, reset: set[int], reopened: set[int]) -> None:
    """Count the needs of what was reset; excluded steps below pass on again later."""
    graph = draft.graph
    affected = below(graph, reset | reopened)
    passing = {n for n in affected if draft.step(n).status is StepStatus.EXCLUDED}
    for number in passing:
        draft.put(number, draft.step(number)._replace(waiting=len(graph.steps[number].needs)))
    for number in _in_order(graph):
        if number in reset or number in passing:
            spec = graph.steps[number]
            needs = [arrival(draft.step(n), graph.steps[n].on_fail) for n in spec.needs]
            draft.put(number, recounted(draft.step(number), spec, needs))


def recounted(step: StepState, spec: StepSpec, needs: Iterable[Arrival | None]) -> StepState:
    """The step's state with its needs counted as they stand."""
    waiting = done = bad = cut = 0
    for how in needs:
        if how is None:
            waiting += 1
        else:
            done, bad, cut = done + how[0], bad + how[1], cut + how[2]
    opened = opening(spec.trigger, waiting, done, bad, cut)
    return step._replace(waiting=waiting, done=done, bad=bad, cut=cut, opening=opened)


def arrival(step: StepState, on_fail: OnFail) -> Arrival | None:
    """What a need counts for in its dependents; None while it has not ended."""
    match step.status:
        case StepStatus.COMPLETED:
            return (1, 0, 0)
        case StepStatus.SKIPPED:
            return (0, 0, int(step.cascades))
        case StepStatus.EXCLUDED if step.waiting == 0:
            return (0, 0, int(step.is_cut))
        case StepStatus.FAILED if on_fail is not OnFail.FAIL:
            return (0, 1, int(step.cascades))
        case _:
            return None


def _reopen(draft: Draft, parent: int) -> None:
    """Let a list's parent wait again for those of its children that begin anew."""
    step, each = draft.step(parent), draft.spec(parent).each
    ends = Counter(draft.step(child).status for child in draft.children(parent))
    family = draft.family(parent)._replace(
        live=ends[StepStatus.PENDING],
        completed=ends[StepStatus.COMPLETED],
        failed=ends[StepStatus.FAILED],
        released=0,
    )
    draft.put(parent, step._replace(status=StepStatus.BLOCKED, family=family, cascades=False))
    for _ in range(min(family.live, each.parallel if each else 1)):
        draft.release(parent)
    if is_decided(family):
        draft.complete.append(parent)


def _tolerated(draft: Draft) -> int:
    """Count the failures that the run goes on with; those of earlier generations are forgotten."""
    specs, count = draft.graph.steps, 0
    waiting = [(number, spec.on_fail is not OnFail.FAIL) for number, spec in enumerate(specs)]
    while waiting:
        number, is_tolerated = waiting.pop()
        count += is_tolerated and draft.step(number).status is StepStatus.FAILED
        waiting += [(child, True) for child in draft.children(number)]
    return count


def restored(graph: Graph, states: list[StepState]) -> list[StepState]:
    """States as they were stored, with what follows from others: how each step's needs ended.

    The counters are not stored; excluded steps are gone through in order of their needs.
    """
    known = list(states)
    for number in _in_order(graph):
        spec = graph.steps[number]
        needs = [arrival(known[need], graph.steps[need].on_fail) for need in spec.needs]
        known[number] = recounted(known[number], spec, needs)
    return known


def _in_order(graph: Graph) -> list[int]:
    """Step numbers such that each comes after its needs."""
    missing = [len(step.needs) for step in graph.steps]
    order = [number for number, count in enumerate(missing) if count == 0]
    for number in order:
        for dependent in graph.dependents[number]:
            missing[dependent] -= 1
            if missing[dependent] == 0:
                order.append(dependent)
    return order
