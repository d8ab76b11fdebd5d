"""What became of every step, for the report: nothing that did not happen may look as if it had."""

from __future__ import annotations

from flowrunner.core.model import StepStatus
from flowrunner.definitions.context import Census
from flowrunner.engine.views import RunView


def census_of(view: RunView) -> Census:
    """Count a run's steps by how they ended. Scans all steps, once per report."""
    numbered = tuple(enumerate(zip(view.state.graph.steps, view.state.steps, strict=True)))
    keys = {
        status: tuple((n, spec.key) for n, (spec, step) in numbered if step.status is status)
        for status in StepStatus
    }
    failed = ((key, view.error(n)) for n, key in keys[StepStatus.FAILED])
    return Census(
        ok=tuple(key for _n, key in keys[StepStatus.COMPLETED]),
        failed=tuple((key, error.message if error else "unknown") for key, error in failed),
        skipped=tuple(key for _n, key in keys[StepStatus.SKIPPED]),
        excluded=tuple((key, view.reasons.get(n, "")) for n, key in keys[StepStatus.EXCLUDED]),
        retried=tuple((s.key, st.attempt - 1) for _n, (s, st) in numbered if st.attempt > 1),
        cancelled=tuple(key for _n, key in keys[StepStatus.CANCELLED]),
    )
