"""What expressions of a step may name, as far as it is known before anything runs."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flowrunner.core.errors import Problem
from flowrunner.core.expression_text import Inserted, Piece, read_whole, split
from flowrunner.core.expression_types import Schema, check, kinds_of
from flowrunner.core.expression_values import ARTICLES
from flowrunner.core.expressions import Fault, steps_in
from flowrunner.core.substitution import Template, parse
from flowrunner.core.validation import MAX_PROBLEMS
from flowrunner.definitions.yaml.forms import Sheet
from flowrunner.definitions.yaml.nodes import (
    ListNode,
    MapNode,
    Node,
    Place,
    ScalarNode,
    map_of,
    node_at,
    plain,
    text_at,
)
from flowrunner.definitions.yaml.speaking import Spot, spots

_TEXT: Schema = {"type": "string"}
_NOTHING: Schema = {"type": "null"}
_OUTCOME: Schema = {
    "type": "object",
    "properties": {
        "status": {"enum": ["completed", "failed", "skipped", "excluded", "cancelled"]},
        "error": {"type": "object", "properties": {"code": _TEXT, "message": _TEXT}},
    },
}


@dataclass(frozen=True, slots=True)
class Page:
    """The text of the file, to find the place of a letter within a value."""

    sheet: Sheet
    source: str
    starts: Sequence[int]
    """Where each line begins."""

    @classmethod
    def of(cls, sheet: Sheet, source: str) -> Page:
        """Read where the lines of *source* begin, once for all places."""
        breaks = (at + 1 for at, letter in enumerate(source) if letter == "\n")
        return cls(sheet, source, (0, *breaks))

    def place(self, node: ScalarNode, at: int) -> Place:
        """Where the letter *at* of the node's text stands; in a folded text, where that begins."""
        start, end = node.place.start, node.place.end
        for skipped in (0, 1):
            if node.text and self.source.startswith(node.text, start + skipped, end):
                return self._at(start + skipped + at)
        lines = node.text.split("\n")
        number = node.text.count("\n", 0, at)
        found = start
        for line in lines[: number + 1]:
            found = self.source.find(line, found, end)
            if found < 0:
                return node.place
            found += len(line)
        line_start = node.text.rfind("\n", 0, at) + 1
        return self._at(found - len(lines[number]) + at - line_start)

    def shown(self, node: ScalarNode, at: int) -> str:
        place = self.place(node, at)
        return f"line {place.line}:{place.column}"

    def _at(self, index: int) -> Place:
        line = bisect_right(self.starts, index)
        return Place(line, index - self.starts[line - 1] + 1, index, index)


class Reader:
    """Reads the expressions of one step: gathers their problems, and the steps they mention."""

    def __init__(self, page: Page, roots: Mapping[str, Schema], known: Collection[str]) -> None:
        self._page = page
        self._roots = roots
        self._known = known
        self.mentioned: list[str] = []
        self.problems: list[Problem] = []

    def within(self, **roots: Schema) -> Reader:
        """A reader that knows more names, or others, and gathers into the same lists."""
        inner = Reader(self._page, {**self._roots, **roots}, self._known)
        inner.mentioned, inner.problems = self.mentioned, self.problems
        return inner

    def only(self, *names: str) -> Reader:
        kept = {name: schema for name, schema in self._roots.items() if name in names}
        inner = Reader(self._page, kept, self._known)
        inner.mentioned, inner.problems = self.mentioned, self.problems
        return inner

    def text(self, node: Node | None) -> tuple[str | Spot, ...] | None:
        """Read a text with values in it."""
        if not isinstance(node, ScalarNode) or not isinstance(node.value, str):
            return None
        pieces, faults = split(node.value)
        self._tell(node, faults)
        self._foreign(node, pieces)
        for piece in pieces:
            if isinstance(piece, Inserted) and len(self.problems) <= MAX_PROBLEMS:
                self._checked(node, piece)
        return spots(pieces, lambda at: self._page.shown(node, at))

    def whole(self, node: Node | None, wanted: str) -> tuple[Spot, Schema] | None:
        """Read a value that is one expression, of the JSON type *wanted*."""
        if not isinstance(node, ScalarNode) or not isinstance(node.value, str):
            return None
        found = read_whole(node.value)
        if isinstance(found, Fault):
            self._tell(node, (found,))
            return None
        schema = self._checked(node, found)
        if wanted not in kinds_of(schema):
            kinds = sorted(kinds_of(schema) - {"null"}) or ["null"]
            shown = " or ".join(ARTICLES[kind] for kind in kinds)
            message = f"{found.source} is {shown}, not {ARTICLES[wanted]}"
            self._tell(node, (Fault("type-mismatch", message, found.at),))
        return Spot(found, self._page.shown(node, found.at)), schema

    def _checked(self, node: ScalarNode, piece: Inserted) -> Schema:
        schema, faults = check(piece.node, self._roots)
        self._tell(node, [replace(fault, at=fault.at + piece.at) for fault in faults])
        self.mentioned += [name for name in steps_in(piece.node) if name in self._known]
        return schema

    def _foreign(self, node: ScalarNode, pieces: Sequence[Piece]) -> None:
        """The templates of Python flows would stay as they are, and nobody would notice."""
        for piece in pieces:
            template = parse(piece, self._known) if isinstance(piece, str) else None
            if isinstance(template, Problem) or (template and template.references):
                is_read = isinstance(template, Template)
                name = template.references[0] if is_read else "step"
                message = "{{ ... }} and $step.output are for flows in Python"
                fault = Fault("foreign-template", message, 0, f"write ${{{name}}}")
                self._tell(node, (fault,))
                return

    def _tell(self, node: ScalarNode, faults: Sequence[Fault]) -> None:
        for fault in faults:
            place = self._page.place(node, fault.at)
            problem = self._page.sheet.problem(place, fault.code, fault.message, fault.hint)
            self.problems.append(problem)


def roots_for(flow: MapNode, bands: Sequence[str], types: Mapping[str, Schema]) -> dict[str, Any]:
    """What every step of *flow* may name."""
    steps = flow.members.get("steps")
    members = steps.members if isinstance(steps, ListNode) else ()
    found = [(text_at(each, "id"), each) for each in members if isinstance(each, MapNode)]
    known = {name: node for name, node in found if name is not None}
    return {
        "input": _closed({n: plain(each) for n, each in map_of(node_at(flow, "inputs")).items()}),
        "band": {"enum": list(bands)},
        "steps": {**_closed({n: result_of(node) for n, node in known.items()}), "$defs": types},
        "outcomes": _closed(dict.fromkeys(known, _OUTCOME)),
    }


def result_of(step: MapNode) -> Schema:
    """Return what others see of *step* when it has completed."""
    if "wait" in step.members:
        return _NOTHING
    if "approval" in step.members:
        form = {n: plain(each) for n, each in map_of(node_at(step, "approval", "form")).items()}
        return _closed(
            {
                "approved": {"type": "boolean"},
                "actor": _TEXT,
                "comment": _TEXT,
                "values": _closed(form),
            }
        )
    schema = answer_of(step)
    return {"type": "array", "items": schema} if "each" in step.members else schema


def answer_of(step: MapNode) -> Schema:
    """Return what one answer of *step* is."""
    output = step.members.get("output")
    schema: Schema = plain(output) if isinstance(output, MapNode) else _TEXT
    return schema


def _closed(properties: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {n: each for n, each in properties.items() if isinstance(each, dict)}
    return {"type": "object", "properties": kept, "additionalProperties": False}
