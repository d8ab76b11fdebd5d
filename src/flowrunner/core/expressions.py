"""A small typed language for conditions on JSON values: its tree, how it is written, what it names.

`steps.scan.any(severity == "high") and band != "small"`. A bare name is a step, unless it is a root
of its own; within the parentheses of any, all and count it is a field of the member, and `it` is
the member itself. There is no arithmetic, so a name may hold hyphens, and there is nothing to call
but what is listed here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

ROOTS = (
    "input", "band", "steps", "outcomes", "item", "item_key", "previous", "iteration",
)  # fmt: skip
"""Names that are no step's: a step of such a name is written `steps.input`."""
MEMBER = "it"
WORDS = frozenset({"and", "or", "not", "in", "true", "false", "null", MEMBER})
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:-[A-Za-z0-9_]+)*")

Scalar: TypeAlias = str | int | float | bool | None
Operator: TypeAlias = Literal["==", "!=", "<", "<=", ">", ">=", "in"]
Quantifier: TypeAlias = Literal["any", "all", "count"]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with an expression or with a value it met; *at* counts its characters."""

    code: str
    message: str
    at: int = 0
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Constant:
    value: Scalar
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Listed:
    members: tuple[Node, ...]
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Root:
    """One of ROOTS, or the member (`it`)."""

    name: str
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Part:
    """A field by its name, or a member of a list by its number; a missing one is null."""

    of: Node
    name: str | int
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Length:
    """`.length` of a list or text, `.count` of a list; an object's field of that name otherwise."""

    of: Node
    name: Literal["length", "count"]
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Over:
    """`.any(condition)`, `.all(condition)`, `.count(condition)` over the members of a list."""

    of: Node
    kind: Quantifier
    condition: Node
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Default:
    """`.default(other)`: *other* instead of null."""

    of: Node
    other: Node
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Compare:
    operator: Operator
    left: Node
    right: Node
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Not:
    of: Node
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Both:
    """`and`, or with *either* `or`; the right side is not looked at when the left one decides."""

    left: Node
    right: Node
    either: bool = False
    at: int = field(default=0, compare=False)


Node: TypeAlias = Constant | Listed | Root | Part | Length | Over | Default | Compare | Not | Both


def write(node: Node) -> str:
    """Return one text of *node*; reading it gives an equal tree."""
    match node:
        case Constant(value=value):
            return json.dumps(value, ensure_ascii=False)
        case Listed(members=members):
            return f"[{', '.join(map(write, members))}]"
        case Root(name=name):
            return name
        case Part(of=of, name=name):
            return f"{_operand(of)}{_part(name)}"
        case Length(of=of, name=name):
            return f"{_operand(of)}.{name}"
        case Over(of=of, kind=kind, condition=condition):
            return f"{_operand(of)}.{kind}({write(condition)})"
        case Default(of=of, other=other):
            return f"{_operand(of)}.default({write(other)})"
        case Compare(operator=operator, left=left, right=right):
            return f"{_operand(left)} {operator} {_operand(right)}"
        case Not(of=of):
            return f"not {_operand(of)}"
        case Both(left=left, right=right, either=either):
            return f"{_operand(left)} {'or' if either else 'and'} {_operand(right)}"


def _operand(node: Node) -> str:
    return f"({write(node)})" if isinstance(node, Compare | Not | Both) else write(node)


def _part(name: str | int) -> str:
    if isinstance(name, int):
        return f"[{name}]"
    is_bare = NAME.fullmatch(name) and name not in {"length", "count"}
    return f".{name}" if is_bare else f"[{json.dumps(name, ensure_ascii=False)}]"


def children(node: Node) -> tuple[Node, ...]:
    """Return the nodes directly below."""
    match node:
        case Constant() | Root():
            return ()
        case Listed(members=members):
            return members
        case Part(of=of) | Length(of=of) | Not(of=of):
            return (of,)
        case Over(of=of, condition=condition):
            return (of, condition)
        case Default(of=of, other=other):
            return (of, other)
        case Compare(left=left, right=right) | Both(left=left, right=right):
            return (left, right)


def walk(node: Node) -> Iterator[Node]:
    """Yield *node* and everything below it, from left to right."""
    yield node
    for child in children(node):
        yield from walk(child)


def steps_in(node: Node) -> tuple[str, ...]:
    """Return the steps whose result or outcome *node* reads, in the order of their mention."""
    found = (
        each.name
        for each in walk(node)
        if isinstance(each, Part) and isinstance(each.of, Root) and isinstance(each.name, str)
        if each.of.name in {"steps", "outcomes"}
    )
    return tuple(dict.fromkeys(found))


def roots_in(node: Node) -> frozenset[str]:
    """Return the roots that *node* reads, the member aside."""
    return frozenset(each.name for each in walk(node) if isinstance(each, Root)) - {MEMBER}
