"""The YAML of a flow file as a tree with places: YAML 1.2's plain values, and no tricks.

Anchors, aliases, tags, merge keys and second documents are refused: `types` is how a flow says
something once. `yes`, `no`, `on` and `off` are words, as YAML 1.2 has it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import yaml

from flowrunner.core.errors import Problem

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
MAX_NODES = 50_000

_INTEGER = re.compile(r"(?=.{1,18}\Z)[-+]?[0-9]+\Z")  # what JSON and the database can hold
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_BEYOND = re.compile(r"\\U(?!0010|000)")
_WORDS = {
    "null": None, "Null": None, "NULL": None, "~": None, "": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_PARSE: Callable[..., Iterator[yaml.Event]] = getattr(yaml, "parse")  # noqa: B009  # it has no types
_FASTEST: object = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: from 1, as editors count; *start* and *end* count characters."""

    line: int
    column: int
    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """*text* as written; *value* is what it means: quoted or in a block, it is always text."""

    text: str
    value: str | int | float | bool | None
    place: Place


@dataclass(frozen=True, slots=True)
class ListNode:
    members: tuple[Node, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class MapNode:
    """*places* are those of the keys."""

    members: Mapping[str, Node]
    places: Mapping[str, Place]
    place: Place


Node: TypeAlias = ScalarNode | ListNode | MapNode


def plain(node: Node) -> Any:
    """Return what *node* means as JSON."""
    match node:
        case ScalarNode(value=value):
            return value
        case ListNode(members=members):
            return [plain(member) for member in members]
        case MapNode(members=members):
            return {key: plain(member) for key, member in members.items()}


def text_at(node: Node, *path: str) -> str | None:
    """Return the text below *path* of maps, None if there is none."""
    found = node_at(node, *path)
    value = found.value if isinstance(found, ScalarNode) else None
    return value if isinstance(value, str) else None


def node_at(node: Node | None, *path: str) -> Node | None:
    """Return what stands below *path* of maps."""
    for name in path:
        node = node.members.get(name) if isinstance(node, MapNode) else None
    return node


def members_of(node: Node | None) -> Sequence[Node]:
    return node.members if isinstance(node, ListNode) else ()


def map_of(node: Node | None) -> Mapping[str, Node]:
    return node.members if isinstance(node, MapNode) else {}


def without(node: Node, places: Collection[tuple[int, int]]) -> Node:
    """Return *node* without the values that begin at *places* (line, column), itself aside.

    The places of their keys stay: that they were given is still known.
    """
    match node:
        case MapNode(members=members):
            kept = {key: each for key, each in members.items() if _stays(each, places)}
            below = {key: without(each, places) for key, each in kept.items()}
            return replace(node, members=below)
        case ListNode(members=members):
            rest = (without(each, places) for each in members if _stays(each, places))
            return replace(node, members=tuple(rest))
        case _:
            return node


def _stays(node: Node, places: Collection[tuple[int, int]]) -> bool:
    return (node.place.line, node.place.column) not in places


def compose(text: str, file: str) -> tuple[Node | None, tuple[Problem, ...]]:
    """Return the tree of *text* and what is wrong with it; a syntax error leaves no tree."""
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        message = f"a YAML flow has at most {MAX_BYTES} bytes, not {size}"
        return None, (Problem("too-large", message, file),)
    composer = _Composer(file)
    try:
        for event in _events(text):
            composer.take(event)
    except _StopError as stop:
        return None, (*composer.problems, stop.problem)
    except yaml.YAMLError as error:
        return None, (*composer.problems, _syntax(error, file))
    except OverflowError:
        # An escape beyond Unicode, for which PyYAML has no words of its own.
        at = found.start() if (found := _BEYOND.search(text)) else 0
        message = "an escape names a character that does not exist"
        line = text.count("\n", 0, at) + 1
        return None, (*composer.problems, Problem("yaml-syntax", message, file, line))
    if composer.root is None:
        composer.problems.append(Problem("empty-flow", "the file holds no flow", file, 1, 1))
    return composer.root, tuple(composer.problems)


def _events(text: str) -> Iterator[yaml.Event]:
    """Parse with the C library where there is one; the words for a mistake are Python's."""
    try:
        yield from _PARSE(text, Loader=_FASTEST)
    except yaml.YAMLError:
        for _ in _PARSE(text, Loader=yaml.BaseLoader):
            pass
        raise


def _syntax(error: yaml.YAMLError, file: str) -> Problem:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        message = error.problem or error.context or "this is no YAML"
        return Problem("yaml-syntax", message, file, mark.line + 1, mark.column + 1)
    return Problem("yaml-syntax", str(error).partition("\n")[0], file)


class _StopError(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


@dataclass(slots=True)
class _Open:
    """A list or map whose end has not come."""

    place: Place
    is_map: bool
    members: list[Node] = field(default_factory=list["Node"])
    keys: dict[str, Place] = field(default_factory=dict[str, Place])
    values: dict[str, Node] = field(default_factory=dict[str, "Node"])
    key: ScalarNode | None = None


class _Composer:
    """Builds the tree from events, without recursion, so that depth is a problem and no crash."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._open: list[_Open] = []
        self._count = 0
        self._documents = 0
        self.root: Node | None = None
        self.problems: list[Problem] = []

    def take(self, event: yaml.Event) -> None:
        match event:
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    self._stop(
                        "yaml-documents", "a file holds one flow, not several documents", event
                    )
            case yaml.AliasEvent():
                self._stop("yaml-anchor", *_ANCHOR, event)
            case yaml.ScalarEvent():
                self._refuse_tricks(event)
                if "\0" in event.value:
                    self._stop("bad-character", "a flow holds no NUL: no database stores it", event)
                self._add(_scalar(event))
            case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                self._refuse_tricks(event)
                self._begin(event)
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                self._end()
            case _:
                pass

    def _refuse_tricks(self, event: yaml.NodeEvent) -> None:
        self._count += 1
        if self._count > MAX_NODES:
            self._stop("too-large", f"a YAML flow has at most {MAX_NODES} values", event)
        if event.anchor is not None:
            self._stop("yaml-anchor", *_ANCHOR, event)
        if getattr(event, "tag", None) is not None:
            self._stop("yaml-tag", "a flow has no YAML tags", "remove what begins with '!'", event)

    def _begin(self, event: yaml.CollectionStartEvent) -> None:
        if len(self._open) == MAX_DEPTH:
            self._stop("too-deep", f"a YAML flow nests at most {MAX_DEPTH} deep", event)
        self._open.append(_Open(_place(event), isinstance(event, yaml.MappingStartEvent)))

    def _end(self) -> None:
        done = self._open.pop()
        if done.is_map:
            self._add(MapNode(done.values, done.keys, done.place))
        else:
            self._add(ListNode(tuple(done.members), done.place))

    def _add(self, node: Node) -> None:
        if not self._open:
            self.root = node
            return
        within = self._open[-1]
        if not within.is_map:
            within.members.append(node)
        elif within.key is None:
            within.key = self._key(node)
        else:
            self._pair(within, within.key, node)
            within.key = None

    def _key(self, node: Node) -> ScalarNode:
        if not isinstance(node, ScalarNode):
            message = "a key is a word, not a list or a map"
            raise _StopError(self._problem("bad-key", message, node.place))
        if node.text == "<<":
            raise _StopError(self._problem("yaml-anchor", _ANCHOR[0], node.place, _ANCHOR[1]))
        return node

    def _pair(self, within: _Open, key: ScalarNode, node: Node) -> None:
        first = within.keys.get(key.text)
        if first is not None:
            message = f"'{key.text}' is already given at line {first.line}"
            self.problems.append(self._problem("duplicate-key", message, key.place))
            return
        within.keys[key.text] = key.place
        within.values[key.text] = node

    def _problem(self, code: str, message: str, place: Place, hint: str | None = None) -> Problem:
        return Problem(code, message, self._file, place.line, place.column, hint=hint)

    def _stop(self, code: str, message: str, *rest: Any) -> None:
        *hints, event = rest
        hint = hints[0] if hints else None
        raise _StopError(self._problem(code, message, _place(event), hint))


_ANCHOR = ("a flow has no YAML anchors, aliases and merge keys", "name what is used twice in types")


def _place(event: yaml.Event) -> Place:
    start, end = event.start_mark, event.end_mark
    return Place(start.line + 1, start.column + 1, start.index, end.index)


def _scalar(event: yaml.ScalarEvent) -> ScalarNode:
    is_plain = bool(event.implicit[0])
    value = _meaning(event.value) if is_plain else event.value
    return ScalarNode(event.value, value, _place(event))


def _meaning(text: str) -> str | int | float | bool | None:
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.match(text):
        return int(text)
    if _FLOAT.match(text) and abs(number := float(text)) != float("inf"):
        return number
    return text
