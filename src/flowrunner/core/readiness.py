"""Which steps may begin, and what has to be asked before they can."""

from __future__ import annotations

from collections.abc import Iterator

from flowrunner.core.decision import Ask, Prepare, Render
from flowrunner.core.graph import StepKind, StepSpec
from flowrunner.core.model import RunState, RunStatus, StepState


def needs_preparing(spec: StepSpec, step: StepState) -> bool:
    """Whether user code must speak first: a `when`, or a prompt that is not stored yet (R2-51)."""
    return step.prompt is None and (spec.has_when or spec.kind is StepKind.AGENT)


def outstanding(state: RunState) -> Iterator[Ask]:
    """Everything a run that was just loaded still has to be asked. Scans all steps, once."""
    if state.status is not RunStatus.RUNNING:
        return
    if state.ready:
        yield from (Prepare(number) for number, step in enumerate(state.steps) if step.is_ready)
    if state.remaining == 0:
        yield Render(partial=state.failure is not None)
