"""Steps that the graph does not know: members of a list, iterations of a loop, calls of code."""

from __future__ import annotations

from dataclasses import replace

from flowrunner.core.events import CallRequested
from flowrunner.core.graph import Limits, OnFail, OnSkip, RetryPolicy, StepKind, StepSpec, Trigger


def list_child(parent: StepSpec, parent_no: int, key: str, item: int) -> StepSpec:
    """The child of a step with `each` or `repeat`: as its parent, but it needs nothing.

    *key* names it within its parent: the member's key, or the iteration's number. What its failure
    means is its parent's to say.
    """
    return replace(
        parent,
        key=f"{parent.key}[{key}]",
        needs=(),
        has_when=False,
        trigger=Trigger.ALL,
        on_skip=OnSkip.SATISFY,
        each=None,
        repeat=None,
        parent=parent_no,
        item=item,
    )


def call_child(parent: StepSpec, parent_no: int, event: CallRequested) -> StepSpec:
    """The child that answers a code step's call; its failure is an answer, too."""
    return StepSpec(
        key=f"{parent.key}/{event.key}",
        kind=StepKind.AGENT,
        persona=event.persona,
        on_fail=OnFail.TOLERATE,
        retry=RetryPolicy(max_attempts=event.max_attempts),
        limits=Limits(total_seconds=event.total_seconds),
        label=parent.label,
        phase=parent.phase,
        parent=parent_no,
    )
