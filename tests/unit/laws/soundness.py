"""What is true of every state, counted again from nothing but statuses and needs."""

from __future__ import annotations

from flowrunner.core.graph import OnFail
from flowrunner.core.model import RunState, RunStatus, StepState, StepStatus

_SATISFIED = {StepStatus.COMPLETED, StepStatus.SKIPPED}


def satisfies(state: RunState, number: int) -> bool:
    """Whether dependents of the step may go on; excluded ones hand on what they wait for."""
    status = state.steps[number].status
    if status is StepStatus.EXCLUDED:
        return all(satisfies(state, need) for need in state.graph.steps[number].needs)
    tolerated = state.graph.steps[number].on_fail is OnFail.TOLERATE
    return status in _SATISFIED or (status is StepStatus.FAILED and tolerated)


def is_ready(state: RunState, number: int) -> bool:
    step = state.steps[number]
    needs = state.graph.steps[number].needs
    waits = step.status is not StepStatus.PENDING or step.delayed
    return not waits and all(satisfies(state, need) for need in needs)


def assert_sound(state: RunState) -> None:
    """Compare every counter with a recount, and ended runs with what ended means."""
    numbers = range(len(state.graph.steps))
    steps = list(state.steps)
    failed = [n for n in numbers if steps[n].status is StepStatus.FAILED]
    assert state.remaining == sum(not step.status.is_terminal for step in steps)
    assert state.ready == sum(is_ready(state, n) for n in numbers)
    assert state.tolerated == sum(satisfies(state, n) for n in failed)
    for number in numbers:
        needs = state.graph.steps[number].needs
        assert steps[number].waiting == sum(not satisfies(state, need) for need in needs)
        assert_step_sound(steps[number])
    if any(not satisfies(state, n) for n in failed):
        assert state.failure is not None
    if state.failure is not None or state.status.is_terminal:
        assert state.remaining == 0
    if state.status is RunStatus.COMPLETED:
        assert state.failure is None


def assert_step_sound(step: StepState) -> None:
    assert step.waiting >= 0
    assert step.crashes + step.failures <= step.attempt
    if step.status is StepStatus.RUNNING:
        assert step.attempt > 0
    if step.delayed:
        assert step.status is StepStatus.PENDING
