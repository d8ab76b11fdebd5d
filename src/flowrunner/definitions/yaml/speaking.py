"""What the functions of a Python flow are in a YAML flow: expressions over what a step may see."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pydantic_core import to_jsonable_python

from flowrunner.core.expression_text import Inserted, Piece
from flowrunner.core.expression_values import ARTICLES, evaluate, kind_of
from flowrunner.core.expressions import Fault, roots_in, steps_in
from flowrunner.core.model import StepStatus
from flowrunner.definitions.context import Context, Launch
from flowrunner.definitions.prompts import UnresolvedError, fence, quote

_AGENTS_WORDS = frozenset({"steps", "outcomes", "item", "item_key", "previous"})
"""Roots that hold what agents said: what comes from there is fenced (V-07)."""
_UNFINISHED = frozenset({StepStatus.SKIPPED, StepStatus.EXCLUDED})


class ExpressionError(Exception):
    """An expression of the flow has no value for what it met; the step fails."""


@dataclass(frozen=True, slots=True)
class Spot:
    """An expression and where it stands, for who reads that it failed."""

    inserted: Inserted
    place: str

    def value(self, roots: Mapping[str, object]) -> object:
        """Raises ExpressionError."""
        found = evaluate(self.inserted.node, roots)
        if isinstance(found, Fault):
            hint = f" ({found.hint})" if found.hint else ""
            raise ExpressionError(f"{self.place}: {self.inserted.source}: {found.message}{hint}")
        return found

    def wrong(self, value: object, wanted: str) -> ExpressionError:
        shown = ARTICLES.get(kind_of(value) or "", "something else")
        return ExpressionError(f"{self.place}: {self.inserted.source} is {shown}, not {wanted}")


@dataclass(frozen=True, slots=True)
class Speech:
    """A text with values in it: a prompt or a question.

    What agents wrote is fenced in what agents read, and quoted in what people do.
    """

    pieces: tuple[str | Spot, ...]
    is_for_people: bool = False

    def __call__(self, context: Context) -> str:
        roots = roots_of(context)
        said = (
            piece if isinstance(piece, str) else self._inserted(piece, roots, context)
            for piece in self.pieces
        )
        return "".join(said)

    def _inserted(self, spot: Spot, roots: Mapping[str, object], context: Context) -> str:
        value = spot.value(roots)
        if value is None:
            return _absent(spot, context)
        text = shown(value)
        named = roots_in(spot.inserted.node)
        if isinstance(value, bool | int | float) or not named & _AGENTS_WORDS:
            return text
        if self.is_for_people:
            return quote(text)
        label = next(iter(steps_in(spot.inserted.node)), "") or min(named & _AGENTS_WORDS)
        return fence(text, context.nonce, label)


@dataclass(frozen=True, slots=True)
class Condition:
    """A `when` or an `until`."""

    spot: Spot

    def __call__(self, context: Context) -> bool:
        return _truth(self.spot, roots_of(context))


@dataclass(frozen=True, slots=True)
class Gate:
    """A condition at launch: there are no results yet."""

    spot: Spot

    def __call__(self, launch: Launch) -> bool:
        return _truth(self.spot, {"input": as_json(launch.input), "band": launch.band})


@dataclass(frozen=True, slots=True)
class Members:
    """The list of an `each`."""

    spot: Spot

    def __call__(self, context: Context) -> Sequence[object]:
        value = self.spot.value(roots_of(context))
        if not isinstance(value, list | tuple):
            raise self.spot.wrong(value, "a list")
        return cast("Sequence[object]", value)


@dataclass(frozen=True, slots=True)
class MemberKey:
    """The name of a member of an `each`."""

    pieces: tuple[str | Spot, ...]

    def __call__(self, member: object) -> str:
        roots: Mapping[str, object] = {"item": as_json(member)}
        return "".join(
            piece if isinstance(piece, str) else self._said(piece, roots) for piece in self.pieces
        )

    def _said(self, spot: Spot, roots: Mapping[str, object]) -> str:
        value = spot.value(roots)
        if kind_of(value) in {None, "null", "array", "object"}:
            raise spot.wrong(value, "a text or a number")
        return shown(value)


@dataclass(frozen=True, slots=True)
class Delay:
    """How long a wait is, by an expression."""

    spot: Spot

    def __call__(self, context: Context) -> Any:
        value = self.spot.value(roots_of(context))
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self.spot.wrong(value, "a span of time")
        return value


@dataclass(frozen=True, slots=True)
class Files:
    """The paths that an answer names: texts with values in them, or a list for its members."""

    named: tuple[tuple[str | Spot, ...], ...]

    def __call__(self, context: Context, answer: object) -> Sequence[str]:
        roots = {**roots_of(context), "previous": as_json(answer)}
        return [path for pieces in self.named for path in self._paths(pieces, roots)]

    def _paths(self, pieces: tuple[str | Spot, ...], roots: Mapping[str, object]) -> Iterator[str]:
        values = [each if isinstance(each, str) else each.value(roots) for each in pieces]
        if len(values) == 1 and isinstance(values[0], list | tuple):
            yield from (shown(each) for each in cast("Sequence[object]", values[0]))
        else:
            yield "".join(map(shown, values))


@dataclass(frozen=True, slots=True)
class Checks:
    """Conditions on an answer, each with what is wrong where it does not hold."""

    rules: tuple[tuple[Spot, str], ...]

    def __call__(self, context: Context, answer: object) -> Sequence[str]:
        roots = {**roots_of(context), "previous": as_json(answer)}
        return [otherwise for spot, otherwise in self.rules if not _truth(spot, roots)]


def roots_of(context: Context) -> Mapping[str, object]:
    """What an expression may name; results are read when they are asked for."""
    return {
        "input": as_json(context.input),
        "band": context.band,
        "steps": _Lazy(context.results, as_json),
        "outcomes": _Lazy(context.outcomes, _outcome),
        "item": as_json(context.item),
        "item_key": context.item_key,
        "previous": as_json(context.previous),
        "iteration": context.iteration,
    }


def as_json(value: object) -> object:
    return to_jsonable_python(value, by_alias=True)


def shown(value: object) -> str:
    """Tell a value as text: a text as it is, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


class _Lazy(Mapping[str, object]):
    """Another mapping as JSON, value by value, each once: a condition may ask for every member."""

    def __init__(self, of: Mapping[str, Any], convert: Callable[[Any], object]) -> None:
        self._of = of
        self._convert = convert
        self._kept: dict[str, object] = {}

    def __getitem__(self, key: str) -> object:
        if key not in self._kept:
            self._kept[key] = self._convert(self._of[key])
        return self._kept[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._of)

    def __len__(self) -> int:
        return len(self._of)


def _outcome(result: Any) -> object:
    return {"status": str(result.status), "error": as_json(result.error)}


def _truth(spot: Spot, roots: Mapping[str, object]) -> bool:
    value = spot.value(roots)
    if not isinstance(value, bool):
        raise spot.wrong(value, "true or false")
    return value


def _absent(spot: Spot, context: Context) -> str:
    """A step that did not run says nothing (V-04); one that failed, or lacks a field, is told."""
    statuses = {name: context.outcomes[name].status for name in steps_in(spot.inserted.node)}
    ended = {name: status for name, status in statuses.items() if status not in _UNFINISHED}
    hint = 'write .default("") where nothing is as good'
    source = f"{spot.place}: {spot.inserted.source}"
    for name, status in ended.items():
        if status != StepStatus.COMPLETED:
            raise UnresolvedError(f"{source}: step '{name}' is {status} and has no result ({hint})")
    if ended or (not statuses and "item" in roots_in(spot.inserted.node)):
        raise UnresolvedError(f"{source} has no value ({hint})")
    return ""


def spots(pieces: Sequence[Piece], place: Callable[[int], str]) -> tuple[str | Spot, ...]:
    """Give every inserted piece its place."""
    return tuple(p if isinstance(p, str) else Spot(p, place(p.at)) for p in pieces)
