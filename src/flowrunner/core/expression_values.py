"""Evaluate an expression on JSON values. Every end is a value or a typed fault, never an exception.

A missing field is null, a field of null too. Nothing else is guessed: values of different types do
not compare, null has no members, and what is not true or false decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias, cast

from flowrunner.core.expressions import (
    Both,
    Compare,
    Constant,
    Default,
    Fault,
    Length,
    Listed,
    Node,
    Not,
    Over,
    Part,
    Root,
)

Kind: TypeAlias = Literal["null", "boolean", "number", "string", "array", "object"]
MAX_LOOKS = 1_000_000
"""How many values one evaluation may look at: about a second."""
_LETTERS_OF_A_LOOK = 1000
ORDERED = frozenset({"number", "string"})
ARTICLES: Mapping[str, str] = {
    "null": "null",
    "boolean": "true or false",
    "number": "a number",
    "string": "a text",
    "array": "a list",
    "object": "an object",
}


class _StopError(Exception):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def evaluate(node: Node, roots: Mapping[str, object]) -> object | Fault:
    """Return the value of *node* where *roots* are its names; what they do not hold is null.

    Mappings are looked into only where the expression asks, so that they may be lazy; what they
    raise is the caller's. A condition within a condition looks at every member for every member: it
    ends with a fault after MAX_LOOKS, which no honest condition needs.
    """
    try:
        return _Evaluation(roots).value(node, None)
    except _StopError as stop:
        return stop.fault
    except RecursionError:
        return Fault("wrong-value", "a value nests too deep to be looked at", node.at)


def kind_of(value: object) -> Kind | None:
    """Return the JSON type of *value*, None for what is no JSON."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case Mapping():
            return "object"
        case list() | tuple():
            return "array"
        case _:
            return None


class _Evaluation:
    """One evaluation; *_left* counts down what it may still look at."""

    def __init__(self, roots: Mapping[str, object]) -> None:
        self._roots = roots
        self._left = MAX_LOOKS

    def value(self, node: Node, member: object) -> object:
        self._look(1, node.at)
        match node:
            case Constant(value=value):
                return value
            case Listed(members=members):
                return [self.value(each, member) for each in members]
            case Root(name=name):
                return member if name == "it" else self._roots.get(name)
            case Part(of=of, name=name):
                return _part(self.value(of, member), name, node.at)
            case Length(of=of):
                return _length(self.value(of, member), node)
            case Default(of=of, other=other):
                value = self.value(of, member)
                return self.value(other, member) if value is None else value
            case Not(of=of):
                return not _truth(self.value(of, member), of.at)
            case Both(left=left, right=right, either=either):
                if _truth(self.value(left, member), left.at) is either:
                    return either
                return _truth(self.value(right, member), right.at)
            case Compare(left=left, right=right):
                one, two = self.value(left, member), self.value(right, member)
                self._look(_weight(one) + _weight(two), node.at)
                return _compared(node, one, two)
            case Over():
                return self._over(node, member)

    def _over(self, node: Over, member: object) -> object:
        value = self.value(node.of, member)
        if not isinstance(value, list | tuple):
            # Were no list an empty one, a step that failed would read as "nothing found" (P9).
            hint = f"write .default([]).{node.kind}(...) where nothing counts as none"
            message = f"{_shown(value)} has no members"
            raise _StopError(Fault("wrong-value", message, node.at, None if value else hint))
        count = 0
        for each in cast("Sequence[object]", value):
            holds = _truth(self.value(node.condition, each), node.condition.at)
            if node.kind != "count" and holds is (node.kind == "any"):
                return holds
            count += holds
        return count if node.kind == "count" else node.kind == "all"

    def _look(self, count: int, at: int) -> None:
        self._left -= count
        if self._left < 0:
            message = f"it looks at more than {MAX_LOOKS:,} values"
            raise _StopError(Fault("wrong-value", message, at))


def _weight(value: Any) -> int:
    """Say how much there is to compare: of a list or an object all, of a text a little."""
    waiting, weight = [value], 0
    while waiting and weight < MAX_LOOKS:
        each = waiting.pop()
        if isinstance(each, Mapping):
            waiting += cast("Mapping[str, object]", each).values()
        elif isinstance(each, list | tuple):
            waiting += cast("Sequence[object]", each)
        elif isinstance(each, str):
            weight += len(each) // _LETTERS_OF_A_LOOK
        weight += 1
    return weight


def _part(value: Any, name: str | int, at: int) -> object:
    if value is None:
        return None
    if isinstance(value, Mapping) and isinstance(name, str):
        return cast("Mapping[str, object]", value).get(name)
    if isinstance(value, list | tuple) and isinstance(name, int):
        members = cast("Sequence[object]", value)
        return members[name] if name < len(members) else None
    wanted = "field" if isinstance(name, str) else "member number"
    raise _StopError(
        Fault("wrong-value", f"{_shown(cast('object', value))} has no {wanted} '{name}'", at)
    )


def _length(value: Any, node: Length) -> object:
    if isinstance(value, Mapping):
        return cast("Mapping[str, object]", value).get(node.name)
    if isinstance(value, list | tuple):
        return len(cast("Sequence[object]", value))
    rest = cast("object", value)
    if isinstance(rest, str) and node.name == "length":
        return len(rest)
    hint = f"write .default([]).{node.name} where nothing counts as none" if rest is None else None
    raise _StopError(Fault("wrong-value", f"{_shown(rest)} has no {node.name}", node.at, hint))


def _truth(value: object, at: int) -> bool:
    if isinstance(value, bool):
        return value
    hint = "compare it with something"
    raise _StopError(Fault("wrong-value", f"{_shown(value)} is not true or false", at, hint))


def _compared(node: Compare, left: object, right: object) -> bool:
    match node.operator:
        case "in":
            return _is_in(left, right, node.at)
        case "==":
            return _is_same(left, right, node.at)
        case "!=":
            return not _is_same(left, right, node.at)
        case operator:
            return _ordered(operator, left, right, node.at)


def _is_same(left: object, right: object, at: int) -> bool:
    kinds = {kind_of(left), kind_of(right)}
    if "null" in kinds:
        return left is None and right is None
    if len(kinds) > 1 or None in kinds:
        raise _StopError(_incomparable(left, right, at))
    return is_equal(left, right)


def is_equal(left: object, right: object) -> bool:
    """Tell whether two JSON values are one: true is no 1, in whatever depth."""
    if kind_of(left) != kind_of(right):
        return False
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        one, two = cast("Mapping[str, object]", left), cast("Mapping[str, object]", right)
        return one.keys() == two.keys() and all(is_equal(one[key], two[key]) for key in one)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        first, second = cast("Sequence[object]", left), cast("Sequence[object]", right)
        return len(first) == len(second) and all(map(is_equal, first, second))
    return left == right


def _is_in(left: object, right: object, at: int) -> bool:
    if isinstance(right, list | tuple):
        return any(is_equal(left, each) for each in cast("Sequence[object]", right))
    if isinstance(left, str) and isinstance(right, str):
        return left in right
    raise _StopError(Fault("wrong-value", f"{_shown(left)} cannot be in {_shown(right)}", at))


def _ordered(operator: str, left: object, right: object, at: int) -> bool:
    kind = kind_of(left)
    if kind != kind_of(right) or kind not in ORDERED:
        raise _StopError(_incomparable(left, right, at))
    one, two = cast("float", left), cast("float", right)
    match operator:
        case "<":
            return one < two
        case "<=":
            return one <= two
        case ">":
            return one > two
        case _:
            return one >= two


def _incomparable(left: object, right: object, at: int) -> Fault:
    return Fault("wrong-value", f"{_shown(left)} cannot be compared with {_shown(right)}", at)


def _shown(value: object) -> str:
    return ARTICLES.get(kind_of(value) or "", f"a {type(value).__name__}")
