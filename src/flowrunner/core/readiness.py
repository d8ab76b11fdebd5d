"""Which steps may begin, and what has to be asked before they can."""

from __future__ import annotations

from collections.abc import Iterator

from flowrunner.core.decision import Ask, Gather, Judge, Prepare, Render
from flowrunner.core.graph import StepKind, StepSpec
from flowrunner.core.model import RunState, RunStatus, StepState, StepStatus


def needs_preparing(spec: StepSpec, step: StepState) -> bool:
    """Whether user code must speak first: a `when`, or a prompt that is not stored yet (R2-51).

    It speaks once: what was at work before, and is tried again, needs no second answer.
    """
    if step.prompt is not None or step.failures + step.crashes > 0:
        return False
    speaks = spec.kind is not StepKind.CODE or spec.each is not None
    return spec.has_when or (speaks and spec.repeat is None)


def outstanding(state: RunState) -> Iterator[Ask]:
    """Everything a run that was just loaded still has to be asked. Scans all steps, once."""
    if state.status is not RunStatus.RUNNING:
        return
    for number, step in enumerate(state.steps):
        if step.is_ready:
            yield Prepare(number)
        elif step.status is StepStatus.BLOCKED and step.family and step.family.live == 0:
            is_loop = state.spec(number).repeat is not None
            yield Judge(number, step.family.size) if is_loop else Gather(number)
    if state.remaining == 0:
        yield Render(partial=state.failure is not None)
