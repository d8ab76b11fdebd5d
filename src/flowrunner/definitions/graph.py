"""From the flow as written to the graph that the scheduler knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flowrunner.core.graph import (
    CODE_QUEUE,
    ApprovalSpec,
    EachSpec,
    Expiry,
    Graph,
    Limits,
    OnFail,
    OnSkip,
    Overflow,
    Rejection,
    RepeatSpec,
    RetryPolicy,
    Siblings,
    StepKind,
    StepSpec,
    Trigger,
    label_of,
)
from flowrunner.core.substitution import Template, parse
from flowrunner.core.validation import StepDraft
from flowrunner.definitions.durations import LONGEST_SECONDS, seconds_of
from flowrunner.definitions.flow import Approval, Each, Flow, Repeat, Retry, Step
from flowrunner.definitions.shapes import as_text, texts_in

DEFAULT_QUEUE = "default"
TEMPLATED = (StepKind.AGENT, StepKind.APPROVAL)
"""The kinds whose text is a template."""


def drafts_of(steps: Sequence[Step]) -> tuple[StepDraft, ...]:
    """Return what `core.validation` checks: names, not yet numbers. Wrong types count as absent."""
    return tuple(_draft(step) for step in steps)


def needs_of(step: Step) -> tuple[str, ...]:
    """Return the steps that end before *step*: those it names, and the one whose list it is for."""
    needs = texts_in(step.needs)
    over = as_text(step.each.over) if isinstance(step.each, Each) else None
    return needs if over is None or over in needs else (*needs, over)


def build_graph(flow: Flow) -> Graph:
    """Resolve names to numbers; the flow has been checked."""
    numbers = {step.id: number for number, step in enumerate(flow.steps)}
    steps = tuple(_spec(step, numbers) for step in flow.steps)
    deadline = None if flow.deadline is None else seconds_of(flow.deadline)
    return Graph(steps, deadline, Siblings(flow.siblings))


def _spec(step: Step, numbers: Mapping[str, int]) -> StepSpec:
    return StepSpec(
        key=step.id,
        kind=StepKind(step.kind),
        needs=tuple(numbers[need] for need in needs_of(step)),
        persona=step.persona,
        has_when=step.when is not None,
        on_fail=OnFail(step.on_fail),
        retry=_retry(step.retry),
        limits=_limits(step),
        queue=_queue(step),
        label=step.label or label_of(step.id),
        trigger=Trigger(step.trigger),
        on_skip=OnSkip(step.on_skip),
        phase=step.phase,
        each=None if step.each is None else _each(step.each),
        repeat=None if step.repeat is None else _repeat(step.repeat),
        approval=_approval(step, numbers),
    )


def _queue(step: Step) -> str:
    kind = StepKind(step.kind)
    if not kind.is_offered:
        return ""
    return CODE_QUEUE if kind is StepKind.CODE else step.queue or DEFAULT_QUEUE


def _limits(step: Step) -> Limits:
    idle = None if step.idle_timeout is None else seconds_of(step.idle_timeout)
    queue = None if step.queue_timeout is None else seconds_of(step.queue_timeout)
    return Limits(seconds_of(step.timeout) or LONGEST_SECONDS, idle, queue)


def _retry(retry: int | Retry) -> RetryPolicy:
    if not isinstance(retry, Retry):
        return RetryPolicy(max_attempts=1 + retry)
    return RetryPolicy(
        max_attempts=1 + retry.max,
        base_seconds=seconds_of(retry.base) or 0.0,
        cap_seconds=seconds_of(retry.cap) or 0.0,
        classes=tuple(retry.classes),
    )


def _each(each: Each) -> EachSpec:
    quorum = each.quorum
    return EachSpec(
        max_items=each.max_items,
        overflow=Overflow(each.overflow),
        quorum_count=quorum if isinstance(quorum, int) else None,
        quorum_share=quorum if isinstance(quorum, float) else None,
        parallel=each.parallel,
    )


def _repeat(repeat: Repeat) -> RepeatSpec:
    return RepeatSpec(repeat.at_most, repeat.on_exhausted == "fail")


def _approval(step: Step, numbers: Mapping[str, int]) -> ApprovalSpec | None:
    if step.kind != StepKind.APPROVAL:
        return None
    asked = step.approval or Approval()
    return ApprovalSpec(
        approvers=tuple(asked.approvers),
        expires_seconds=None if asked.expires is None else seconds_of(asked.expires),
        on_expiry=Expiry(asked.on_expiry),
        remind_seconds=None if asked.remind is None else seconds_of(asked.remind),
        on_reject=Rejection(asked.on_reject),
        redo_from=None if asked.redo_from is None else numbers[asked.redo_from],
        max_redos=asked.max_redos,
    )


def _draft(step: Step) -> StepDraft:
    asked = step.approval
    return StepDraft(
        key=step.id,
        kind=_kind(step),
        needs=needs_of(step),
        persona=as_text(step.persona),
        file=step.file,
        line=step.line,
        references=_references(step),
        redo_from=as_text(asked.redo_from) if isinstance(asked, Approval) else None,
    )


def _kind(step: Step) -> StepKind:
    known = as_text(step.kind) in set(StepKind)
    return StepKind(step.kind) if known else StepKind.AGENT


def _references(step: Step) -> tuple[str, ...]:
    if not isinstance(step.run, str) or step.kind not in TEMPLATED:
        return ()
    # Ids need not be known to be found: an id that is right has only letters that `parse` takes.
    template = parse(step.run, ())
    return template.references if isinstance(template, Template) else ()
