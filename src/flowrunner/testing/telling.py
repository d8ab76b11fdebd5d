"""What a rehearsal tells at its end, read from its state."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from flowrunner.core import events as ev
from flowrunner.core.graph import StepKind
from flowrunner.core.model import Ref, StepStatus
from flowrunner.testing.stage import Stage
from flowrunner.testing.told import StepTold, Told


async def told_of(stage: Stage, prompts: Mapping[int, Sequence[str]]) -> Told:
    """Read what became of the run and of each of its steps, children included."""
    state = stage.view.state
    steps: dict[str, StepTold] = {}
    for number in range(len(state.steps)):
        told = _step(stage, number, tuple(prompts.get(number, ())))
        steps[told.key] = told
    ends = [e for e in stage.events if isinstance(e, ev.RunCompleted | ev.RunFailed)]
    report = _report(stage, ends[-1].report if ends else None)
    completed = ends[-1] if ends and isinstance(ends[-1], ev.RunCompleted) else None
    return Told(
        status=state.status.value,
        outcome=completed.outcome if completed is not None else "",
        degraded=completed is not None and completed.degraded,
        error="" if state.failure is None else f"{state.failure.code}: {state.failure.message}",
        markdown=report.get("markdown", ""),
        data=report.get("data"),
        steps=steps,
        waiting=_waiting(stage),
        events=tuple(stage.events),
        seconds=stage.now,
    )


def _step(stage: Stage, number: int, prompts: tuple[str, ...]) -> StepTold:
    view = stage.view
    step, spec = view.state.steps[number], view.state.spec(number)
    output, error = view.output(number), view.error(number)
    return StepTold(
        key=spec.key,
        status=step.status.value,
        attempts=step.attempt,
        output=None if output is None else _read(stage, output),
        error="" if error is None else f"{error.code}: {error.message}",
        reason=view.reasons.get(number, ""),
        prompts=prompts,
    )


def _read(stage: Stage, ref: Ref) -> Any:
    text = stage.bodies.held(ref).decode()
    try:
        return json.loads(text)
    except ValueError:
        return text


def _report(stage: Stage, ref: Ref | None) -> dict[str, Any]:
    return {} if ref is None else json.loads(stage.bodies.held(ref))


def _waiting(stage: Stage) -> tuple[str, ...]:
    state = stage.view.state
    return tuple(
        spec.key
        for spec, step in zip(state.specs(), state.steps, strict=True)
        if spec.kind is StepKind.APPROVAL and step.status is StepStatus.BLOCKED
    )
