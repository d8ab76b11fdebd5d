"""Runs a flow's own functions in order, with scripted answers: no database, no agent, no clock.

Results pass through JSON between the steps, and answers through the engine's own judgement.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from flows.code_review import flow
from pydantic import BaseModel

from flowrunner.core.model import Failure
from flowrunner.definitions.context import (
    Census,
    Context,
    Project,
    Report,
    ReportContext,
    StepResult,
)
from flowrunner.definitions.flow import Flow, Step
from flowrunner.definitions.library import Library
from flowrunner.definitions.manifest import plan_launch
from flowrunner.engine.judging import parse_answer

NONCE = "5ca1ab1e"
# The flow as tests import it: the library's modules have names, and so classes, of their own.
DEFINITION = replace(Library.shipped().get("code-review"), flow=flow)
Answers = Callable[[str], str | Failure]


@dataclass(slots=True)
class Rehearsal:
    """What a run left behind; `ctx` and `report` show it as user code would see it."""

    flow: Flow
    root: Path
    input: BaseModel
    band: str
    results: dict[str, object] = field(default_factory=dict[str, object])
    outcomes: dict[str, StepResult] = field(default_factory=dict[str, StepResult])
    prompts: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def ctx(self) -> Context:
        project = Project(1, "demo", self.root)
        return Context(
            UUID(int=1), self.input, self.band, project, None, NONCE, self.results, self.outcomes
        )

    @property
    def is_partial(self) -> bool:
        return len(self.outcomes) < len(self.flow.steps) or any(
            self.outcomes[step.id].status == "failed" and step.on_fail == "fail"
            for step in self.flow.steps
        )

    def report(self) -> Report:
        ctx = self.ctx
        return self.flow.render(
            ReportContext(
                ctx.run_id, ctx.input, ctx.band, ctx.project, ctx.model, ctx.nonce,
                ctx.results, ctx.outcomes,
                census=census_of(self.outcomes), partial=self.is_partial, flow=self.flow.name,
                commit=None, started_at=datetime(2026, 1, 2, tzinfo=UTC), definition="0" * 64,
            )
        )  # fmt: skip


def rehearse(
    root: Path,
    answers: Answers,
    raw: Mapping[str, object] | None = None,
    *,
    band: str | None = None,
    until: str | None = None,
) -> Rehearsal:
    """Launch and run code-review over *root*; *until* names the step before which it breaks off."""
    plan = plan_launch(DEFINITION, raw or {}, band, Project(1, "demo", root))
    run = Rehearsal(flow, root, plan.input, plan.band)
    for number, step in enumerate(run.flow.steps):
        if step.id == until:
            break
        excluded = number in plan.excluded
        run.outcomes[step.id] = (
            StepResult(step.id, "excluded") if excluded else _run(step, run, answers)
        )
    return run


def _run(step: Step, run: Rehearsal, answers: Answers) -> StepResult:
    if step.when is not None and not step.when(run.ctx):
        return StepResult(step.id, "skipped")
    assert callable(step.run)
    assert step.output is not None
    said = step.run(run.ctx)
    if step.kind == "code":
        assert isinstance(said, BaseModel)
        result: object = step.output.model_validate_json(said.model_dump_json())
    else:
        run.prompts[step.id] = str(said)
        text = answers(step.id)
        result = text if isinstance(text, Failure) else parse_answer(text, step.output)
    if isinstance(result, Failure):
        error = {"code": result.code, "message": result.message}
        return StepResult(step.id, "failed", None, error)
    run.results[step.id] = result
    return StepResult(step.id, "completed", result)


def census_of(outcomes: Mapping[str, StepResult]) -> Census:
    def keys(status: str) -> tuple[str, ...]:
        return tuple(key for key, each in outcomes.items() if each.status == status)

    return Census(
        ok=keys("completed"),
        failed=tuple((key, outcomes[key].message) for key in keys("failed")),
        skipped=keys("skipped"),
        excluded=tuple((key, "band") for key in keys("excluded")),
    )
