"""The library as the wire shows it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

from flowrunner.core.errors import Problem
from flowrunner.definitions.checks import AUTO
from flowrunner.definitions.definition import Definition, Refused
from flowrunner.definitions.library import Library
from flowrunner.definitions.yaml.grammar import SUFFIX
from flowrunner.definitions.yaml.loading import load_yaml
from flowrunner.wire.flows import (
    FlowDetail,
    FlowError,
    FlowList,
    FlowRow,
    FlowStep,
    ValidateBody,
    Validation,
)
from flowrunner.wire.problems import ProblemEntry


def flow_list(library: Library) -> FlowList:
    """Every flow by name; problems that are no flow's own come last."""
    rows = [_row(each) for each in library.definitions.values()]
    rows += [_broken(each) for each in library.refused.values()]
    told = {problem for each in library.refused.values() for problem in each.problems}
    others = [_entry(problem) for problem in library.problems if problem not in told]
    return FlowList(items=tuple(sorted(rows, key=lambda row: row.name)), problems=tuple(others))


def get_flow_detail(library: Library, name: str) -> FlowDetail:
    """Raises NotFoundError for an unknown name, InvalidFlowError for a broken flow."""
    found = library.get(name)
    return FlowDetail(
        **_row(found).model_dump(),
        hash=found.hash,
        input_schema=found.flow.input.model_json_schema(),
        steps=tuple(_step(found, number) for number in range(len(found.graph.steps))),
        deadline_seconds=found.graph.deadline_seconds,
        accepts_auto=found.flow.choose_band is not None,
        phases=tuple(dict.fromkeys(s.phase for s in found.graph.steps if s.phase is not None)),
        siblings=found.graph.siblings.value,
        yaml=next((t for name, t in found.sources.items() if name.endswith(SUFFIX)), None),
    )


def validate_text(library: Library, body: ValidateBody) -> Validation:
    """Check a YAML flow that is not stored anywhere; nothing of it runs."""
    loaded = load_yaml(body.text, body.file, library.personas)
    return validation_of(map(_entry, loaded.problems))


def validation_of(entries: Iterable[ProblemEntry]) -> Validation:
    """Tell problems of flow files in their one shape."""
    errors = tuple(FlowError.model_validate(entry.model_dump()) for entry in entries)
    return Validation(valid=not errors, errors=errors)


def _row(found: Definition) -> FlowRow:
    flow = found.flow
    return FlowRow(
        name=found.name,
        title=flow.title,
        description=flow.description,
        bands=(*flow.bands, *((AUTO,) if flow.choose_band else ())),
        step_count=len(found.graph.steps),
        file=found.file,
        valid=True,
    )


def _broken(refused: Refused) -> FlowRow:
    return FlowRow(
        name=refused.name,
        title="",
        description="",
        bands=(),
        step_count=0,
        file=refused.file,
        valid=False,
        problems=tuple(map(_entry, refused.problems)),
    )


def _step(found: Definition, number: int) -> FlowStep:
    spec = found.graph.steps[number]
    written = found.flow.steps[number]
    return FlowStep(
        step_no=number,
        key=spec.key,
        label=spec.label,
        kind=spec.kind.value,
        persona=spec.persona,
        needs=tuple(found.graph.steps[need].key for need in spec.needs),
        bands=tuple(written.bands),
        gated=written.gate is not None,
        has_when=spec.has_when,
        on_fail=spec.on_fail.value,
        queue=spec.queue,
        max_attempts=spec.retry.max_attempts,
        timeout_seconds=spec.limits.total_seconds,
        phase=spec.phase,
        trigger=spec.trigger.value,
        on_skip=spec.on_skip.value,
        has_each=spec.each is not None,
        has_repeat=spec.repeat is not None,
    )


def _entry(problem: Problem) -> ProblemEntry:
    return ProblemEntry.model_validate(asdict(problem))
