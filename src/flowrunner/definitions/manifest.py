"""What a launch asks for, judged before anything is written: input, band, gates (D2-06)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import AliasChoices, AliasPath, BaseModel, ValidationError

from flowrunner.core.errors import InvalidFlowError, InvalidInputError, Problem
from flowrunner.core.validation import suggest
from flowrunner.definitions.checks import AUTO
from flowrunner.definitions.context import Launch, Project
from flowrunner.definitions.definition import Definition
from flowrunner.definitions.flow import Flow, Step
from flowrunner.definitions.shapes import is_bool

INPUT, BAND = "/input", "/band"
"""Where input and band stand in a launch request; pointers of problems begin with these."""


@dataclass(frozen=True, slots=True)
class LaunchPlan:
    """*excluded* says per step number why it does not take part (R2-06, D2-21)."""

    input: BaseModel
    input_json: dict[str, Any]
    band: str
    excluded: dict[int, str]


def plan_launch(
    definition: Definition, raw_input: Mapping[str, object], band: str | None, project: Project
) -> LaunchPlan:
    """Check everything and choose the band; None asks the flow, as "auto" does.

    Raises InvalidInputError with every problem, and InvalidFlowError if a gate fails: then nothing
    has been written.
    """
    flow = definition.flow
    problems = list(_band_problems(flow, band))
    given = _read_input(flow.input, raw_input)
    if not isinstance(given, BaseModel):
        problems += given
    if problems or not isinstance(given, BaseModel):
        raise InvalidInputError(f"the input does not fit flow '{flow.name}'", problems)
    asked = band or (AUTO if flow.choose_band else flow.bands[0])
    launch = Launch(given, asked, project)
    _look(flow, launch)
    chosen = replace(launch, band=_choose(flow, launch))
    excluded = _excluded(flow, chosen)
    return LaunchPlan(given, _stored(given), chosen.band, excluded)


def unknown_fields(
    model: type[BaseModel], raw: Mapping[str, object]
) -> tuple[tuple[str, str | None], ...]:
    """Return each name of *raw* that *model* does not take, with a hint."""
    if model.model_config.get("extra") == "allow":
        return ()
    known = _names(model)
    return tuple((name, suggest(name, known)) for name in raw if name not in known)


def written(given: BaseModel) -> dict[str, Any]:
    """Return *given* as the JSON from which its model reads the same again.

    Raises ValueError if there is none: a model may read a name that it never writes.
    """
    told = given.model_dump(mode="json", by_alias=True)
    try:
        again = type(given).model_validate(told).model_dump(mode="json", by_alias=True)
    except ValidationError as error:
        raise ValueError(str(_errors(error)[0]["msg"])) from None
    lost = [name for name, value in told.items() if again.get(name) != value]
    if lost:
        raise ValueError(f"'{lost[0]}' is written by that name, and not read by it")
    return told


def _stored(given: BaseModel) -> dict[str, Any]:
    try:
        return written(given)
    except ValueError as error:
        message = f"the input cannot be stored: {error}"
        problem = Problem("bad-input-model", message, pointer=INPUT, hint="use Field(alias=...)")
        raise InvalidInputError("the input does not survive being stored", (problem,)) from None


def _band_problems(flow: Flow, band: str | None) -> Iterator[Problem]:
    known = (*flow.bands, AUTO) if flow.choose_band else tuple(flow.bands)
    if band is not None and band not in known:
        message = f"flow '{flow.name}' has no band '{band}'"
        yield Problem("unknown-band", message, pointer=BAND, hint=suggest(band, known))


def _read_input(
    model: type[BaseModel], raw: Mapping[str, object]
) -> BaseModel | tuple[Problem, ...]:
    strange = dict(unknown_fields(model, raw))
    problems = [_unknown_field(name, hint) for name, hint in strange.items()]
    try:
        given = model.model_validate({k: v for k, v in raw.items() if k not in strange})
    except ValidationError as error:
        problems += [_problem(told["type"], told["msg"], told["loc"]) for told in _errors(error)]
        return tuple(problems)
    return tuple(problems) or given


def _errors(error: ValidationError) -> Sequence[Any]:
    return error.errors(include_url=False, include_context=False, include_input=False)


def _names(model: type[BaseModel]) -> frozenset[str]:
    names: set[str] = set()
    for name, field in model.model_fields.items():
        match field.validation_alias:
            case None:
                names.add(name)
            case AliasChoices(choices=choices):
                names |= {_first(choice) for choice in choices}
            case alias:
                names.add(_first(alias))
        if model.model_config.get("validate_by_name") or model.model_config.get("populate_by_name"):
            names.add(name)
    return frozenset(names)


def _first(alias: str | AliasPath) -> str:
    return alias if isinstance(alias, str) else str(alias.path[0])


def _unknown_field(name: str, hint: str | None) -> Problem:
    # A misspelt word must not be lost, whatever the model does with what it does not know (P11).
    message = f"the flow takes no '{name}'"
    return Problem("unknown-field", message, pointer=_pointer([name]), hint=hint)


def _problem(kind: str, message: str, location: Sequence[int | str]) -> Problem:
    code = kind.replace("_", "-")
    return Problem(code, message.removeprefix("Value error, "), pointer=_pointer(location))


def _pointer(location: Sequence[int | str]) -> str:
    parts = [str(part).replace("~", "~0").replace("/", "~1") for part in location]
    return "/".join([INPUT, *parts])


def _look(flow: Flow, launch: Launch) -> None:
    """Let the flow look at the project; its pointers are relative to the input."""
    if flow.check is None:
        return
    try:
        problems = flow.check(launch)
    except InvalidInputError as error:
        problems = error.problems
    except Exception as error:
        raise _fault(flow, "check", error) from error
    if problems:
        placed = [_below_input(problem) for problem in problems]
        raise InvalidInputError(f"the input does not fit flow '{flow.name}'", placed)


def _below_input(problem: Problem) -> Problem:
    return problem if problem.file else replace(problem, pointer=INPUT + (problem.pointer or ""))


def _choose(flow: Flow, launch: Launch) -> str:
    if launch.band != AUTO or flow.choose_band is None:
        return launch.band
    try:
        band = flow.choose_band(launch)
    except InvalidInputError as error:
        placed = [_below_input(problem) for problem in error.problems]
        raise InvalidInputError(str(error), placed) from error
    except Exception as error:
        raise _fault(flow, "choose_band", error) from error
    if band not in flow.bands:
        message = f"choose_band of flow '{flow.name}' chose {band!r}"
        problem = Problem("unknown-band", message, flow.file, flow.line)
        raise InvalidFlowError(f"flow '{flow.name}' cannot be launched", [problem])
    return band


def _excluded(flow: Flow, launch: Launch) -> dict[int, str]:
    """Evaluate every gate, so that all that fail are told at once."""
    excluded: dict[int, str] = {}
    problems: list[Problem] = []
    for number, step in enumerate(flow.steps):
        reason = _reason(step, launch)
        if isinstance(reason, Problem):
            problems.append(reason)
        elif reason is not None:
            excluded[number] = reason
    if problems:
        raise InvalidFlowError(f"flow '{flow.name}' cannot be launched", problems)
    return excluded


def _reason(step: Step, launch: Launch) -> str | Problem | None:
    if step.bands and launch.band not in step.bands:
        return f"not in band {launch.band}: only in {', '.join(step.bands)}"
    if step.gate is None:
        return None
    try:
        passed = step.gate(launch)
    except Exception as error:  # noqa: BLE001  # told with its place, and nothing is written
        told = f"the gate of step '{step.id}' raised {type(error).__name__}: {error}"
        return Problem("gate-failed", told, step.file, step.line)
    if not is_bool(passed):
        message = f"the gate of step '{step.id}' answered {passed!r:.60}, not True or False"
        return Problem("gate-failed", message, step.file, step.line)
    return None if passed else f"gate {_name_of(step.gate)} is false"


def _name_of(function: object) -> str:
    name = getattr(function, "__name__", "")
    return f"'{name}'" if name.isidentifier() else "of the step"


def _fault(flow: Flow, what: str, error: Exception) -> InvalidFlowError:
    told = f"{what} of flow '{flow.name}' raised {type(error).__name__}: {error}"
    problem = Problem("launch-failed", told, flow.file, flow.line)
    return InvalidFlowError(f"flow '{flow.name}' cannot be launched", [problem])
