"""What became of every step, for the report: nothing that did not happen may look as if it had."""

from __future__ import annotations

from collections.abc import Iterator

from flowrunner.core.draft import members
from flowrunner.core.model import StepStatus
from flowrunner.definitions.context import Census
from flowrunner.engine.views import RunView


def census_of(view: RunView) -> Census:
    """Count a run's steps by how they ended. Scans all steps, once per report.

    Children are named where they did not go well; their parent stands for those that did.
    """
    steps = range(len(view.state.graph.steps))
    everything = (*steps, *_children(view))
    failed = ((n, view.error(n)) for n in _with(view, StepStatus.FAILED, everything))
    retried = (n for n in everything if _was_retried(view, n))
    spec = view.state.spec
    return Census(
        ok=tuple(spec(n).key for n in _with(view, StepStatus.COMPLETED, steps)),
        failed=tuple((spec(n).key, error.message if error else "unknown") for n, error in failed),
        skipped=tuple(spec(n).key for n in _with(view, StepStatus.SKIPPED, steps)),
        excluded=tuple(
            (spec(n).key, view.reasons.get(n, "")) for n in _with(view, StepStatus.EXCLUDED, steps)
        ),
        retried=tuple((spec(n).key, view.state.steps[n].attempt - 1) for n in retried),
        cancelled=tuple(spec(n).key for n in _with(view, StepStatus.CANCELLED, everything)),
    )


def _children(view: RunView) -> Iterator[int]:
    for number in range(len(view.state.graph.steps)):
        family = view.state.steps[number].family
        if family is not None:
            yield from members(family)


def _was_retried(view: RunView, number: int) -> bool:
    # A question that is asked again is no attempt that failed.
    return view.state.spec(number).kind.is_offered and view.state.steps[number].attempt > 1


def _with(view: RunView, status: StepStatus, numbers: tuple[int, ...] | range) -> Iterator[int]:
    return (number for number in numbers if view.state.steps[number].status is status)
