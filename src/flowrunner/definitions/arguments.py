"""How an author's function gets its arguments while a flow runs: by what its parameters name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, cast

from pydantic import BaseModel, ValidationError

from flowrunner.definitions.context import Context, Decided, StepResult
from flowrunner.definitions.fitting import ANYTHING, is_optional, named, plain, without_none
from flowrunner.definitions.outputs import adapter
from flowrunner.definitions.parameters import Parameter
from flowrunner.definitions.shapes import as_model

Taker: TypeAlias = Callable[[Any], object]
"""Takes one argument out of what the function is called with."""


class MissingResultError(Exception):
    """A parameter names a step that has no result, and does not say that it can do without."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One parameter, and where its value comes from."""

    name: str
    take: Taker
    is_keyword: bool = False


def bound(function: Callable[..., object], arguments: Sequence[Argument]) -> Callable[..., object]:
    """Return a function of the context that calls *function*; it is async if that is."""
    ordered = [a.take for a in arguments if not a.is_keyword]
    keywords = {a.name: a.take for a in arguments if a.is_keyword}

    def filled(context: object) -> object:
        more = {name: take(context) for name, take in keywords.items()}
        return function(*(take(context) for take in ordered), **more)

    async def awaited(context: object) -> object:
        return await cast("Any", filled(context))

    call = awaited if inspect.iscoroutinefunction(function) else filled
    call.__name__ = getattr(function, "__name__", call.__name__)
    return call


def result_taker(who: str, key: str, parameter: Parameter) -> Taker:
    """Take a step's result: its value, or how it stands if that is what the annotation asks for.

    Without a result the parameter's default is taken, or None if it is optional; else the call
    fails, so that an absent answer is never read as an empty one (P9).
    """
    wanted = without_none(parameter.annotation)

    def take(context: Context) -> object:
        if wanted is StepResult:
            return _standing(context, key)
        if key in context.results:
            return context.results[key]
        return _absent(who, key, parameter, context)

    return take


def decision_taker(who: str, key: str, parameter: Parameter, form: type[BaseModel] | None) -> Taker:
    """Take what a person decided, as the annotation asks for it; True or False if it does not."""
    wanted = without_none(parameter.annotation)
    given = result_taker(who, key, replace(parameter, annotation=Any))
    absent = result_taker(who, key, parameter)

    def take(context: Context) -> object:
        if wanted is StepResult or key not in context.results:
            return absent(context)
        told = cast("Mapping[str, Any]", given(context))
        if wanted is Decided:
            kept = {name: told[name] for name in ("approved", "actor", "comment", "values")}
            return Decided(key, **kept)
        if form is not None and as_model(wanted) is not None:
            return _filled_in(who, key, parameter, form, told)
        return bool(told["approved"]) if not _wants_mapping(wanted) else told

    return take


def converted(value: object, annotation: object) -> object:
    """Return a member of a list as what its annotation names, where it came back as JSON."""
    if annotation in ANYTHING or value is None:
        return value
    try:
        return adapter(annotation).validate_python(value)
    except ValidationError:
        raise
    except Exception:  # noqa: BLE001  # no type that pydantic can check: the value is as it is
        return value


def _wants_mapping(wanted: object) -> bool:
    origin = getattr(wanted, "__origin__", wanted)
    return wanted not in ANYTHING and inspect.isclass(origin) and issubclass(dict, origin)


def _filled_in(
    who: str, key: str, parameter: Parameter, form: type[BaseModel], told: Mapping[str, Any]
) -> object:
    if told["approved"]:
        return form.model_validate(told["values"])
    if is_optional(parameter.annotation):
        return None
    message = f"{who} takes {parameter.name} from the form of step '{key}', which was rejected"
    raise MissingResultError(f"{message}; {_way_out(parameter)}")


def _standing(context: Context, key: str) -> StepResult:
    outcome = context.outcomes[key]
    return replace(outcome, output=context.results[key]) if key in context.results else outcome


def _absent(who: str, key: str, parameter: Parameter, context: Context) -> object:
    if parameter.has_default:
        return parameter.default
    if is_optional(parameter.annotation):
        return None
    outcome = context.outcomes.get(key)
    status = outcome.status if outcome else "unknown"
    failure = f" ({outcome.message})" if outcome and outcome.message else ""
    message = f"{who} takes {parameter.name} from step '{key}', which is {status}{failure}"
    raise MissingResultError(f"{message}; {_way_out(parameter)}")


def _way_out(parameter: Parameter) -> str:
    if not parameter.is_annotated or plain(parameter.annotation) in ANYTHING:
        return f"annotate {parameter.name} as optional, or as StepResult, to go on without"
    return f"annotate it `{named(parameter.annotation)} | None`, or StepResult, to go on without"
