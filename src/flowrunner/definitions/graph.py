"""From the flow as written to the graph that the scheduler knows."""

from __future__ import annotations

from collections.abc import Sequence

from flowrunner.core.graph import (
    CODE_QUEUE,
    Graph,
    Limits,
    OnFail,
    RetryPolicy,
    StepKind,
    StepSpec,
    label_of,
)
from flowrunner.core.substitution import Template, parse
from flowrunner.core.validation import StepDraft
from flowrunner.definitions.durations import LONGEST_SECONDS, seconds_of
from flowrunner.definitions.flow import Flow, Step
from flowrunner.definitions.shapes import as_text, texts_in

DEFAULT_QUEUE = "default"


def drafts_of(steps: Sequence[Step]) -> tuple[StepDraft, ...]:
    """Return what `core.validation` checks: names, not yet numbers. Wrong types count as absent."""
    known = tuple(step.id for step in steps)
    return tuple(_draft(step, known) for step in steps)


def build_graph(flow: Flow) -> Graph:
    """Resolve names to numbers; the flow has been checked."""
    numbers = {step.id: number for number, step in enumerate(flow.steps)}
    steps = tuple(_spec(step, tuple(numbers[need] for need in step.needs)) for step in flow.steps)
    return Graph(steps, None if flow.deadline is None else seconds_of(flow.deadline))


def _spec(step: Step, needs: tuple[int, ...]) -> StepSpec:
    idle = None if step.idle_timeout is None else seconds_of(step.idle_timeout)
    kind = StepKind(step.kind)
    queue = CODE_QUEUE if kind is StepKind.CODE else step.queue or DEFAULT_QUEUE
    return StepSpec(
        key=step.id,
        kind=kind,
        needs=needs,
        persona=step.persona,
        has_when=step.when is not None,
        on_fail=OnFail(step.on_fail),
        retry=RetryPolicy(max_attempts=1 + step.retry),
        limits=Limits(seconds_of(step.timeout) or LONGEST_SECONDS, idle),
        queue=queue,
        label=step.label or label_of(step.id),
    )


def _draft(step: Step, known: Sequence[str]) -> StepDraft:
    return StepDraft(
        key=step.id,
        kind=StepKind.CODE if step.kind == StepKind.CODE else StepKind.AGENT,
        needs=texts_in(step.needs),
        persona=as_text(step.persona),
        file=step.file,
        line=step.line,
        references=_references(step, known),
    )


def _references(step: Step, known: Sequence[str]) -> tuple[str, ...]:
    if not isinstance(step.run, str):
        return ()
    template = parse(step.run, known)
    return template.references if isinstance(template, Template) else ()
