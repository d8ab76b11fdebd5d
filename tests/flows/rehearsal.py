"""Runs a flow's own functions in order, with scripted answers: no database, no agent, no clock.

Results pass through JSON between the steps, and answers through the engine's own judgement.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast
from uuid import UUID

from flows.architecture_analysis import flow as architecture
from flows.code_review import flow
from flows.docs_audit import flow as docs
from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from flowrunner.core.graph import EachSpec
from flowrunner.core.model import Failure
from flowrunner.definitions.context import (
    Census,
    Context,
    Project,
    Report,
    ReportContext,
    StepResult,
)
from flowrunner.definitions.flow import Each, Flow, Step
from flowrunner.definitions.library import Library
from flowrunner.definitions.manifest import plan_launch
from flowrunner.engine.answers import parse_answer

NONCE = "5ca1ab1e"
# The flow as tests import it: the library's modules have names, and so classes, of their own.
FLOWS = {each.name: each for each in (flow, docs, architecture)}
DEFINITIONS = {
    name: replace(Library.shipped().get(name), flow=each) for name, each in FLOWS.items()
}
Answers = Callable[[str], str | Failure]
"""What an agent says, by the key of its step or child, e.g. `security` or `verify[all]`."""
Decision = dict[str, object]


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
    def asked(self) -> set[str]:
        """The steps of which an agent, or several, was asked."""
        return {step_of(key) for key in self.prompts}

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


def step_of(key: str) -> str:
    """Return the step of a child's key."""
    return key.partition("[")[0]


def rehearse(
    root: Path,
    answers: Answers,
    raw: Mapping[str, object] | None = None,
    *,
    band: str | None = None,
    until: str | None = None,
    name: str = "code-review",
    decision: Decision | None = None,
    started: Callable[[Rehearsal], object] = id,
) -> Rehearsal:
    """Launch and run a flow over *root*; *until* names the step before which it breaks off.

    *started* is handed the run before its first step, for agents that read their prompts.
    *decision* is what people say when they are asked; None lets the approval expire.
    """
    plan = plan_launch(DEFINITIONS[name], raw or {}, band, Project(1, "demo", root))
    run = Rehearsal(FLOWS[name], root, plan.input, plan.band)
    started(run)
    for number, step in enumerate(run.flow.steps):
        if step.id == until:
            break
        excluded = number in plan.excluded
        run.outcomes[step.id] = (
            StepResult(step.id, "excluded")
            if excluded
            else _decided(step, run, decision)
            if step.kind == "approval"
            else _run(step, run, answers)
        )
    return run


def _decided(step: Step, run: Rehearsal, decision: Decision | None) -> StepResult:
    assert callable(step.run)
    run.prompts[step.id] = str(step.run(run.ctx))
    said: Decision = decision or {"approved": False, "actor": "", "comment": "", "values": {}}
    run.results[step.id] = json.loads(json.dumps(said))
    return StepResult(step.id, "completed", run.results[step.id])


def _run(step: Step, run: Rehearsal, answers: Answers) -> StepResult:
    if step.when is not None and not step.when(run.ctx):
        return StepResult(step.id, "skipped")
    if step.each is not None:
        return _run_each(step, step.each, run, answers)
    return _settled(step, step.id, run, answers, run.ctx)


def _run_each(step: Step, each: Each, run: Rehearsal, answers: Answers) -> StepResult:
    """Run the members one after the other, as the engine would store and name them."""
    assert callable(each.over)
    assert each.key is not None
    listed = cast("Sequence[object]", each.over(run.ctx))
    members = [(each.key(m), to_jsonable_python(m)) for m in listed]
    keys = [key for key, _ in members]
    assert len(set(keys)) == len(keys) <= each.max_items
    assert all(0 < len(key) <= 120 and key.isprintable() for key in keys)
    children = [
        _settled(step, f"{step.id}[{k}]", run, answers, replace(run.ctx, item=m, item_key=k))
        for k, m in members
    ]
    done = [child.output for child in children if child.status == "completed"]
    needed = EachSpec(quorum_share=each.quorum).needed(len(children))
    if len(done) < needed:
        error = {"code": "quorum_missed", "message": f"{len(done)} of {needed} completed"}
        return StepResult(step.id, "failed", None, error, children)
    run.results[step.id] = done
    return StepResult(step.id, "completed", done, None, children)


def _settled(step: Step, key: str, run: Rehearsal, answers: Answers, ctx: Context) -> StepResult:
    assert callable(step.run)
    assert step.output is not None
    said = step.run(ctx)
    if step.kind == "code":
        assert isinstance(said, BaseModel)
        result: object = step.output.model_validate_json(said.model_dump_json())
    else:
        run.prompts[key] = str(said)
        text = answers(key)
        result = text if isinstance(text, Failure) else parse_answer(text, step.output)
    if isinstance(result, Failure):
        error = {"code": result.code, "message": result.message}
        return StepResult(key, "failed", None, error)
    if key == step.id:
        run.results[key] = result
    return StepResult(key, "completed", result)


def census_of(outcomes: Mapping[str, StepResult]) -> Census:
    def keys(status: str) -> tuple[str, ...]:
        return tuple(key for key, each in outcomes.items() if each.status == status)

    return Census(
        ok=keys("completed"),
        failed=tuple((key, outcomes[key].message) for key in keys("failed")),
        skipped=keys("skipped"),
        excluded=tuple((key, "band") for key in keys("excluded")),
    )
