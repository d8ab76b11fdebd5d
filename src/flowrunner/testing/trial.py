"""Try a flow out: once as it should go, then with each of its agents failing in turn (P9)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowrunner.core.graph import StepKind, StepSpec
from flowrunner.definitions.definition import Definition
from flowrunner.testing.rehearsal import rehearse
from flowrunner.testing.samples import Samples
from flowrunner.testing.scripts import AgentScript, ApprovalScript, Fails, approve
from flowrunner.testing.told import Told


@dataclass(frozen=True, slots=True)
class Case:
    """One rehearsal: what was changed in it, and how the run then ended."""

    name: str
    step: str | None
    told: Told
    hides: bool = False
    """It ended as if nothing had happened: what its agent did not do is told to nobody."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a trial is made with; agents that nobody names give a smallest fitting answer."""

    definition: Definition
    given: Mapping[str, Any]
    agents: Mapping[str, AgentScript]
    approvals: Mapping[str, ApprovalScript]
    band: str | None = None
    project: Path | None = None


def try_out(plan: Plan) -> Iterator[Case]:
    """Yield the run as it should go, then one per agent step and way to fail.

    Each of the latter must fail, have another outcome, or name the step in its report: else it
    *hides* the failure, whatever the run's own record says.
    """
    good = _rehearse(plan, {})
    yield Case("as scripted", None, good)
    asked = [key for key, told in good.steps.items() if told.prompts]
    for step in plan.definition.graph.steps:
        if step.kind is not StepKind.AGENT or not _was_asked(step.key, asked):
            continue
        for name, answer in (("fails", Fails()), ("says nothing", "")):
            told = _rehearse(plan, {step.key: answer})
            yield Case(name, step.key, told, hides=_hides(good, told, step))


def _was_asked(key: str, asked: list[str]) -> bool:
    return any(each == key or each.startswith(f"{key}[") for each in asked)


def _hides(good: Told, told: Told, step: StepSpec) -> bool:
    if told.status != "completed" or told.outcome != good.outcome:
        return False
    report = told.markdown.lower()
    return not any(name.lower() in report for name in (step.key, step.label) if name)


def _rehearse(plan: Plan, changed: Mapping[str, AgentScript]) -> Told:
    kinds = {step.key: step.kind for step in plan.definition.graph.steps}
    asked = [key for key, kind in kinds.items() if kind is StepKind.APPROVAL]
    scripts = {key: script for key, script in plan.agents.items() if not _is_part(key, changed)}
    return rehearse(
        plan.definition,
        plan.given,
        agents={**scripts, **changed},
        approvals={**{key: approve() for key in asked}, **plan.approvals},
        band=plan.band,
        project=plan.project,
        default=Samples(plan.definition).answer,
    )


def _is_part(key: str, changed: Mapping[str, AgentScript]) -> bool:
    """A script of one member would outlive the failure of them all."""
    return any(key == each or key.startswith(f"{each}[") for each in changed)
