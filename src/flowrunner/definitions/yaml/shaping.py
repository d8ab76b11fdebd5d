"""From the schemas of a YAML flow to types that pydantic checks."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model

from flowrunner.core.errors import Problem
from flowrunner.core.expression_types import Schema
from flowrunner.core.expression_values import kind_of
from flowrunner.core.validation import suggest
from flowrunner.definitions.yaml.forms import Sheet
from flowrunner.definitions.yaml.grammar import TYPES
from flowrunner.definitions.yaml.nodes import (
    MapNode,
    Node,
    ScalarNode,
    map_of,
    members_of,
    node_at,
    plain,
    text_at,
)

_PLAIN: Mapping[str, Any] = {
    "string": str, "integer": int, "number": float, "boolean": bool, "object": dict[str, Any],
}  # fmt: skip
_BOUNDS = {
    "minimum": "ge", "maximum": "le", "minLength": "min_length", "maxLength": "max_length",
    "minItems": "min_length", "maxItems": "max_length", "pattern": "pattern",
}  # fmt: skip
_FITTING = {
    "string": {"minLength", "maxLength", "pattern"},
    "integer": {"minimum", "maximum"},
    "number": {"minimum", "maximum"},
    "array": {"items", "minItems", "maxItems"},
    "object": {"properties", "required", "additionalProperties"},
}
_WORDY = {"number", "string", "boolean"}
_field_of: Any = Field  # its parameters are named by a flow


MAX_DEPTH = 48


class Shapes:
    """The types of one flow; problems gather in *problems*, and what is wrong allows anything."""

    def __init__(self, sheet: Sheet, types: Node | None) -> None:
        self._sheet = sheet
        self._nodes = map_of(types)
        self._made: dict[str, Any] = {}
        self._making: list[str] = []
        self._heights: dict[str, int] = {}
        self._height = 0
        self._level = 0
        self.problems: list[Problem] = []
        for name, node in self._nodes.items():
            self._named(name, node, node)

    @property
    def definitions(self) -> dict[str, Schema]:
        """The flow's `types` as the checker of expressions wants them."""
        return {name: plain(node) for name, node in self._nodes.items()}

    def type_of(self, node: Node, name: str) -> Any:
        """Return the type that *node* describes; *name* is for the models it needs.

        What holds what is bounded, through every $ref: all who read a type do so by recursion.
        """
        if not isinstance(node, MapNode):
            return Any
        before, self._height = self._height, 0
        self._level += 1
        made = Any if self._level > MAX_DEPTH else self._shape(node, name)
        self._height += 1
        if self._level > MAX_DEPTH or self._height > MAX_DEPTH:
            self._too_deep(node)
            made, self._height = Any, 0
        self._level -= 1
        self._height = max(before, self._height)
        return made

    def _shape(self, node: MapNode, name: str) -> Any:
        reference = text_at(node, "$ref")
        made = self._referred(node, reference) if reference else self._described(node, name)
        if plain(node).get("nullable") is True:
            made = made | None if made is not Any else Any
        return made

    def _too_deep(self, node: Node) -> None:
        if all(problem.code != "too-deep" for problem in self.problems):
            self._add(
                node, "too-deep", f"types nest more than {MAX_DEPTH} deep, every $ref counted"
            )

    def model(self, node: Node | None, name: str, *, is_input: bool = False) -> type[BaseModel]:
        """Return a model of the properties below *node*; without a default one is required."""
        fields = {each: self._field(each, below, name) for each, below in map_of(node).items()}
        return _model(name, fields, "forbid" if is_input else "ignore")

    def _field(self, name: str, node: Node, within: str) -> tuple[Any, Any, bool]:
        made = self.type_of(node, f"{within}_{name}")
        given: dict[str, Any] = {"description": text_at(node, "description")}
        default = node_at(node, "default")
        if default is not None:
            given["default"] = self._default(made, default, name)
        return made, given, default is not None

    def _default(self, made: Any, node: Node, name: str) -> Any:
        value = plain(node)
        try:
            TypeAdapter(made).validate_python(value, strict=made is not float)
        except ValidationError as error:
            said = error.errors(include_url=False)[0]["msg"]
            message = f"the default of {name} does not fit it: {said}"
            self._add(node, "bad-default", message)
        return value

    def _referred(self, node: MapNode, reference: str) -> Any:
        name = reference.removeprefix(TYPES)
        at = node.members["$ref"]
        if name not in self._nodes:
            message = f"the flow has no type '{name}'"
            self._add(at, "unknown-type", message, suggest(name, self._nodes.keys()))
            return Any
        return self._named(name, self._nodes[name], at)

    def _named(self, name: str, node: Node, at: Node) -> Any:
        if name in self._making:
            path = " -> ".join([*self._making[self._making.index(name) :], name])
            self._add(at, "recursive-type", f"a type cannot hold itself: {path}")
            return Any
        if name not in self._made:
            self._making.append(name)
            before, self._height = self._height, 0
            self._made[name] = self.type_of(node, name)
            self._heights[name], self._height = self._height, before
            self._making.pop()
        self._height = max(self._height, self._heights[name])
        return self._made[name]

    def _described(self, node: MapNode, name: str) -> Any:
        kind = text_at(node, "type")
        words = node_at(node, "enum")
        if words is not None:
            return self._words(words, kind)
        if kind is None:
            if "type" not in node.places:
                hint = "type, enum or $ref says what a value is"
                self._add(node, "missing-key", "a schema has no 'type'", hint)
            return Any
        for problem in self._misfits(node, kind):
            self.problems.append(problem)
        bounds = self._bounds(node, kind)
        made: Any = _PLAIN.get(kind, Any)
        if kind == "array":
            made = self._list(node, name)
        elif kind == "object" and "properties" in node.members:
            made = self._object(node, name)
        return Annotated[made, _field_of(**bounds)] if bounds else made

    def _words(self, node: Node, kind: str | None) -> Any:
        values = plain(node)
        if not isinstance(values, list) or not values:
            return Any
        for member in members_of(node):
            found = kind_of(plain(member)) or ""
            wanted = "number" if kind == "integer" else kind
            if wanted is not None and found != wanted:
                hint = f'write "{member.text}"' if isinstance(member, ScalarNode) else None
                self._add(member, "bad-enum", f"a {kind} cannot be {_told(member)}", hint)
            elif found not in _WORDY or isinstance(plain(member), float):
                self._add(member, "bad-enum", f"an enum cannot hold {_told(member)}")
        allowed = [v for v in cast("list[Any]", values) if isinstance(v, str | int)]
        return Literal[tuple(allowed)] if allowed else Any

    def _misfits(self, node: MapNode, kind: str) -> Iterator[Problem]:
        for key, value in node.members.items():
            homes = [name for name, keys in _FITTING.items() if key in keys]
            if homes and kind not in homes:
                message = f"'{key}' is for {' and '.join(homes)}, not for {kind}"
                yield self._sheet.problem(node.places[key], "misplaced-key", message)
            if key == "pattern" and isinstance(value, ScalarNode):
                yield from self._pattern(value)

    def _pattern(self, node: ScalarNode) -> Iterator[Problem]:
        try:
            TypeAdapter(Annotated[str, Field(pattern=node.text)])
            re.compile(node.text)
        except Exception as error:  # noqa: BLE001  # the engine behind pydantic has errors of its own
            message = f"the pattern cannot be used: {str(error).splitlines()[-1].strip()}"
            yield self._sheet.problem(node.place, "bad-pattern", message)

    def _bounds(self, node: MapNode, kind: str) -> dict[str, Any]:
        allowed = _FITTING.get(kind, set[str]()) & _BOUNDS.keys() & node.members.keys()
        values = {name: plain(node.members[name]) for name in sorted(allowed)}
        for low, high in (
            ("minimum", "maximum"),
            ("minLength", "maxLength"),
            ("minItems", "maxItems"),
        ):
            least, most = values.get(low), values.get(high)
            if isinstance(least, int | float) and isinstance(most, int | float) and least > most:
                self._add(node.members[low], "bad-value", f"{low} is above {high}")
        if any(problem.code == "bad-pattern" for problem in self.problems):
            values.pop("pattern", None)
        for name in [name for name, value in values.items() if isinstance(value, float)]:
            if kind == "integer":
                self._add(
                    node.members[name], "bad-bound", f"the {name} of an integer is a whole number"
                )
                del values[name]
        numeric = {n: v for n, v in values.items() if n == "pattern" or isinstance(v, int | float)}
        return {_BOUNDS[name]: value for name, value in numeric.items()}

    def _list(self, node: MapNode, name: str) -> Any:
        items = node.members.get("items")
        if items is None:
            return list[Any]
        return list[self.type_of(items, f"{name}_member")]

    def _object(self, node: MapNode, name: str) -> Any:
        known = map_of(node.members["properties"])
        required: set[str] = set()
        for member in members_of(node.members.get("required")):
            wanted = str(plain(member))
            required.add(wanted)
            if wanted not in known:
                message = f"'{wanted}' is required, but is no property"
                self._add(member, "unknown-property", message, suggest(wanted, known.keys()))
        fields: dict[str, tuple[Any, Any, bool]] = {}
        for each, below in known.items():
            made, given, has_default = self._field(each, below, name)
            if each not in required and not has_default:
                made, given = made | None if made is not Any else Any, {**given, "default": None}
            fields[each] = (made, given, has_default)
        is_closed = plain(node).get("additionalProperties") is False
        return _model(name, fields, "forbid" if is_closed else "ignore")

    def _add(self, node: Node, code: str, message: str, hint: str | None = None) -> None:
        problem = self._sheet.problem(node.place, code, message, hint)
        if problem not in self.problems:
            self.problems.append(problem)


def _model(
    name: str, fields: Mapping[str, tuple[Any, Any, bool]], extra: Literal["forbid", "ignore"]
) -> type[BaseModel]:
    """A field whose name Python or pydantic has taken is kept under another, and shown as it is."""
    safe: dict[str, Any] = {}
    for number, (each, (made, given, _)) in enumerate(fields.items()):
        is_safe = each.isidentifier() and not keyword.iskeyword(each) and not each.startswith("_")
        is_free = is_safe and not hasattr(BaseModel, each) and not each.startswith("model_")
        attribute = each if is_free else f"field_{number}"
        alias = {} if attribute == each else {"alias": each}
        safe[attribute] = (made, _field_of(**given, **alias))
    config = ConfigDict(extra=extra, frozen=True, serialize_by_alias=True)
    title = "".join(part.capitalize() for part in re.split(r"[-_]", name) if part) or "Value"
    return create_model(title, __config__=config, **safe)


def _told(node: Node) -> str:
    return repr(plain(node)) if isinstance(node, ScalarNode) and node.value is not None else "null"
