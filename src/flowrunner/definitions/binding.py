"""From a function whose parameters name what it takes to a function of the context."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from flowrunner.core.errors import Problem
from flowrunner.core.validation import suggest
from flowrunner.definitions.arguments import Argument, Taker, bound, decision_taker, result_taker
from flowrunner.definitions.context import Decided, StepResult
from flowrunner.definitions.fitting import ANYTHING, fits, is_union, named, plain, without_none
from flowrunner.definitions.parameters import Parameter, parameters_of
from flowrunner.definitions.scope import Producer, Scope


@dataclass(frozen=True, slots=True)
class Special:
    """A name that is no step: what it gives, and whom a wrong annotation is told of."""

    take: Taker
    gives: object = Any
    source: str = ""


@dataclass(frozen=True, slots=True)
class Reader:
    """A function as written: *who* it is in messages, and which names are not steps to it.

    *leading* is what the first parameter takes whatever its name. Without *scope* no steps can be
    named, as there are no results yet.
    """

    who: str
    file: str | None
    line: int | None
    special: Mapping[str, Special]
    scope: Scope | None = None
    leading: Special | None = None


@dataclass(slots=True)
class Bound:
    """*call* takes the context alone; *needs* are the steps that it takes from."""

    call: Any
    needs: list[str] = field(default_factory=list[str])
    problems: list[Problem] = field(default_factory=list[Problem])


def bind(function: object, reader: Reader) -> Bound:
    """Find for each parameter where its value comes from; what is no function stays as it is."""
    if not callable(function):
        return Bound(function)
    written: Callable[..., object] = function
    parameters = parameters_of(written)
    if parameters is None:
        return Bound(written)
    found = Bound(written)
    arguments: list[Argument] = []
    for at, parameter in enumerate(parameters):
        first = at == 0 and parameter.name not in reader.special
        taker = _taker(parameter, reader, found, reader.leading if first else None)
        if taker is not None:
            arguments.append(Argument(parameter.name, taker, parameter.is_keyword))
    found.call = bound(written, arguments)
    return found


def _taker(
    parameter: Parameter, reader: Reader, found: Bound, leading: Special | None
) -> Taker | None:
    if parameter.wrong is not None:
        code = "bad-annotation" if parameter.is_annotated else "bad-parameter"
        found.problems.append(_problem(reader, code, parameter.wrong, parameter.hint))
        return None
    special = leading or reader.special.get(parameter.name)
    if special is not None and parameter.origin is None:
        found.problems += _mismatch(reader, parameter, special.gives, special.source)
        return special.take
    if reader.scope is None:
        known = reader.special.keys()
        message = f"takes '{parameter.name}', which is none of {', '.join(known)}"
        hint = suggest(parameter.name, known)
        found.problems.append(_problem(reader, "unknown-parameter", message, hint))
        return None
    return _from_step(parameter, reader, reader.scope, found)


def _from_step(parameter: Parameter, reader: Reader, scope: Scope, found: Bound) -> Taker | None:
    asked = parameter.name if parameter.origin is None else parameter.origin.step
    name = asked if isinstance(asked, str) else getattr(asked, "__name__", str(asked))
    step = scope.refer(asked)
    if step is None:
        if parameter.has_default and parameter.origin is None and not scope.is_close(name):
            return lambda _: parameter.default
        found.problems.append(scope.unknown(reader.who, name, reader.file, reader.line))
        return None
    found.needs.append(step.id)
    if step.kind == "approval":
        found.problems += _decision_mismatch(reader, parameter, step)
        return decision_taker(reader.who, step.id, parameter, step.form)
    if not _is_standing(parameter.annotation):
        found.problems += _mismatch(reader, parameter, step.gives, str(step))
    return result_taker(reader.who, step.id, parameter)


def _is_standing(annotation: object) -> bool:
    return without_none(annotation) is StepResult


def _mismatch(
    reader: Reader, parameter: Parameter, gives: object, source: str
) -> Iterator[Problem]:
    if fits(gives, parameter.annotation):
        return
    shown = f"takes {parameter.name}: {named(parameter.annotation)}"
    yield _problem(reader, "type-mismatch", f"{shown}, but {source} gives {named(gives)}")


def _decision_mismatch(reader: Reader, parameter: Parameter, step: Producer) -> Iterator[Problem]:
    wanted = without_none(parameter.annotation)
    if wanted is StepResult or wanted in ANYTHING or is_union(wanted):
        return
    offers = [bool, Decided, dict[str, Any], *([step.form] if step.form else [])]
    if not any(plain(wanted) is offer or fits(offer, wanted) for offer in offers):
        shown = f"takes {parameter.name}: {named(parameter.annotation)}"
        message = f"{shown}, but {step} gives a decision"
        hint = f"annotate it as one of {', '.join(named(offer) for offer in offers)}"
        yield _problem(reader, "type-mismatch", message, hint)


def _problem(reader: Reader, code: str, message: str, hint: str | None = None) -> Problem:
    separator = " " if message.startswith("takes ") else ": "
    told = f"{reader.who}{separator}{message}"
    return Problem(code, told, reader.file, reader.line, hint=hint)
