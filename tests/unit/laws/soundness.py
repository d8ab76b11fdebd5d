"""What is true of every state, counted again from nothing but statuses, needs and parents."""

from __future__ import annotations

from collections import Counter

from flowrunner.core.draft import members
from flowrunner.core.generations import restored
from flowrunner.core.graph import OnFail, OnSkip, Siblings, Trigger
from flowrunner.core.model import Opening, RunState, RunStatus, StepState, StepStatus


def ended(state: RunState, number: int) -> Counter[str] | None:
    """What a need counts for in what follows it; None while that waits for it."""
    step, spec = state.steps[number], state.graph.steps[number]
    match step.status:
        case StepStatus.COMPLETED:
            return Counter(done=1)
        case StepStatus.FAILED if spec.on_fail is not OnFail.FAIL:
            return Counter(bad=1, cut=int(spec.on_fail is OnFail.CASCADE))
        case StepStatus.SKIPPED:
            is_cut = takes_along(state, number) or spec.on_skip is OnSkip.CASCADE
            return Counter(cut=int(is_cut))
        case StepStatus.EXCLUDED if counts(state, number)["waiting"] == 0:
            return Counter(cut=int(takes_along(state, number)))
        case _:
            return None


def counts(state: RunState, number: int) -> Counter[str]:
    """How the needs of a step of the graph have ended, and how many have not."""
    total: Counter[str] = Counter()
    for need in state.graph.steps[number].needs:
        how = ended(state, need)
        total += Counter(waiting=1) if how is None else how
    return total


def takes_along(state: RunState, number: int) -> bool:
    """Whether the step could not begin because of a cut need, and so cuts what follows it."""
    return may_begin(state, number) is Opening.NEVER and counts(state, number)["cut"] > 0


def may_begin(state: RunState, number: int) -> Opening:
    """F12: the trigger rules, each in its own words."""
    total = counts(state, number)
    all_ended, none_cut = not total["waiting"], not total["cut"]
    none_bad = none_cut and not total["bad"]
    is_open, is_lost = {
        Trigger.ALL: (all_ended and none_cut, not none_cut),
        Trigger.ANY: (total["done"] > 0 or (all_ended and none_bad), all_ended),
        Trigger.NONE_FAILED: (all_ended and none_bad, all_ended or not none_cut),
        Trigger.ALL_DONE: (all_ended, False),
    }[state.graph.steps[number].trigger]
    return Opening.OPEN if is_open else Opening.NEVER if is_lost else Opening.SHUT


def satisfies(state: RunState, number: int) -> bool:
    """Whether the run can end well with this step as it is."""
    step = state.steps[number]
    is_tolerated = state.spec(number).on_fail is not OnFail.FAIL
    return step.status is not StepStatus.CANCELLED and (
        step.status is not StepStatus.FAILED or is_tolerated
    )


def current(state: RunState) -> set[int]:
    """Every step of the present generation: those of the graph, and the children they have now."""
    found, waiting = set[int](), list(range(len(state.graph.steps)))
    while waiting:
        number = waiting.pop()
        found.add(number)
        family = state.steps[number].family
        waiting += members(family) if family is not None else ()
    return found


def assert_sound(state: RunState) -> None:
    """Compare every counter with a recount, and ended runs with what ended means."""
    steps, known = list(state.steps), len(state.graph.steps)
    assert len(steps) == known + len(state.children)
    assert state.remaining == sum(not step.status.is_terminal for step in steps)
    assert state.ready == sum(step.is_ready for step in steps)
    now = current(state)
    failed = [n for n in now if steps[n].status is StepStatus.FAILED]
    assert state.tolerated == sum(n >= known or satisfies(state, n) for n in failed)
    for number, step in enumerate(steps):
        assert number in now or step.status.is_terminal
        assert_step_sound(step)
        if step.family is not None:
            assert_family_sound(state, number)
        if number < known:
            assert_counted(state, number)
    stored = [s._replace(waiting=0, done=0, bad=0, cut=0, opening=Opening.OPEN) for s in steps]
    assert restored(state.graph, stored[:known]) == steps[:known]
    assert_end_sound(state, [n for n in failed if n < known])


def assert_counted(state: RunState, number: int) -> None:
    step, total = state.steps[number], counts(state, number)
    assert step.waiting == total["waiting"]
    assert (step.done, step.bad, step.cut) == (total["done"], total["bad"], total["cut"])
    assert step.opening is may_begin(state, number)


def assert_step_sound(step: StepState) -> None:
    assert step.waiting >= 0
    assert step.crashes + step.failures <= step.attempt
    if step.status is StepStatus.RUNNING:
        assert step.attempt > 0
    if step.delayed:
        assert step.status is StepStatus.PENDING


def assert_family_sound(state: RunState, number: int) -> None:
    """F13, F14: the family's counters, and the window of a list: no place is lost or doubled."""
    parent, spec = state.steps[number], state.spec(number)
    family = parent.family
    assert family is not None
    children = [state.steps[child] for child in members(family)]
    ends = Counter(child.status for child in children)
    assert family.size == len(children)
    assert all(state.spec(child).parent == number for child in members(family))
    assert family.live == sum(not child.status.is_terminal for child in children)
    assert family.completed == ends[StepStatus.COMPLETED]
    assert family.failed == ends[StepStatus.FAILED]
    if spec.has_children:
        assert not family.live or parent.status is StepStatus.BLOCKED or is_draining(state)
    if spec.each is not None and parent.status is StepStatus.BLOCKED:
        going = [c for c in children if not c.status.is_terminal and c.opening is Opening.OPEN]
        kept = sum(not c.status.is_terminal and c.opening is not Opening.OPEN for c in children)
        assert len(going) <= spec.each.parallel
        assert not kept or len(going) == spec.each.parallel


def is_draining(state: RunState) -> bool:
    return state.failure is not None and state.graph.siblings is Siblings.DRAIN


def may_drain(state: RunState, number: int) -> bool:
    """Whether the step is over, at work, or waits for children that are (D2-07)."""
    now, is_parent = state.steps[number].status, state.spec(number).has_children
    is_blocked = now is StepStatus.BLOCKED and is_parent
    return is_blocked or now.is_terminal or now is StepStatus.RUNNING


def assert_end_sound(state: RunState, failed: list[int]) -> None:
    """I3, P6, D2-07: what fails comes to an end, and what has ended is over."""
    if any(not satisfies(state, n) for n in failed):
        assert state.failure is not None
    if state.status.is_terminal or (state.failure is not None and not is_draining(state)):
        assert state.remaining == 0
    if is_draining(state) and state.status is RunStatus.RUNNING:
        assert all(may_drain(state, n) for n in range(len(state.steps)))
    if state.status is RunStatus.COMPLETED:
        assert state.failure is None
        assert all(satisfies(state, n) for n in range(len(state.graph.steps)))
