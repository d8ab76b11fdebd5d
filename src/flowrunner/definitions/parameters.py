"""What a function's parameters are called and annotated with, each read on its own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from flowrunner.definitions.authoring import From

UNKNOWN_TYPE_HINT = (
    "types must be at module level, and not only for type checkers: "
    "with `from __future__ import annotations` they are looked up there"
)
NO_DEFAULT = inspect.Parameter.empty


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter; *wrong* says why its annotation cannot be read, or why it cannot be filled."""

    name: str
    annotation: object = Any
    is_annotated: bool = False
    origin: From | None = None
    default: object = NO_DEFAULT
    is_keyword: bool = False
    wrong: str | None = None
    hint: str | None = None

    @property
    def has_default(self) -> bool:
        return self.default is not NO_DEFAULT


def parameters_of(function: Callable[..., object]) -> Sequence[Parameter] | None:
    """Return the parameters of *function*; None if it does not tell them, as some of C."""
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    return [_parameter(function, each) for each in found]


def returned_by(function: Callable[..., object]) -> Parameter | None:
    """Return the return annotation, as a parameter called `return`; None if there is none."""
    given = getattr(function, "__annotations__", {})
    if "return" not in given:
        return None
    return _annotated(function, Parameter("return"), given["return"])


def _parameter(function: Callable[..., object], told: inspect.Parameter) -> Parameter:
    star = {told.VAR_POSITIONAL: "*", told.VAR_KEYWORD: "**"}.get(told.kind)
    if star:
        wrong = f"parameter {star}{told.name} names no step"
        return Parameter(told.name, wrong=wrong, hint="name each step that it takes")
    is_keyword = told.kind is told.KEYWORD_ONLY
    plain = Parameter(told.name, default=told.default, is_keyword=is_keyword)
    # Whatever it is annotated with, the context is the context.
    if told.annotation is told.empty or told.name == "ctx":
        return plain
    return _annotated(function, plain, told.annotation)


def _annotated(function: Callable[..., object], plain: Parameter, written: object) -> Parameter:
    given = replace(plain, is_annotated=True)
    holder = SimpleNamespace(__annotations__={plain.name: written})
    names = getattr(inspect.unwrap(function), "__globals__", {})
    try:
        hint = get_type_hints(holder, names, include_extras=True)[plain.name]
    except Exception as error:  # noqa: BLE001  # an annotation may be any expression
        shown = f"the annotation of '{plain.name}' cannot be read: {error}"
        return replace(given, wrong=shown, hint=UNKNOWN_TYPE_HINT)
    return replace(given, annotation=hint, origin=next(_markers(hint), None))


def _markers(hint: object) -> Iterator[From]:
    if get_origin(hint) is Annotated:
        yield from (each for each in get_args(hint)[1:] if isinstance(each, From))
