"""Check an expression against JSON Schemas, as far as they say anything: fields, types, words.

A schema that says nothing about a value allows everything; a value may always be missing, so null
is never a surprise here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias, cast

from flowrunner.core.expression_values import ARTICLES, ORDERED, is_equal, kind_of
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
from flowrunner.core.validation import suggest

Schema: TypeAlias = Mapping[str, Any]
Kinds: TypeAlias = frozenset[str]

ANYTHING: Schema = {}
BOOLEAN: Schema = {"type": "boolean"}
NUMBER: Schema = {"type": "integer"}
_ALL: Kinds = frozenset(ARTICLES)
_MOST_REFERENCES = 20


def check(node: Node, roots: Mapping[str, Schema]) -> tuple[Schema, tuple[Fault, ...]]:
    """Return the schema of *node*'s value and everything that is wrong with it.

    *roots* are the names that exist here; the schema of `steps` names the steps. A schema's
    `$ref` is looked up in the `$defs` of its root.
    """
    checker = _Checker(roots)
    schema = checker.schema_of(node, ANYTHING)
    return checker.plain(schema), tuple(checker.faults)


def kinds_of(schema: Schema) -> Kinds:
    """Return the JSON types that *schema* allows."""
    if "const" in schema or "enum" in schema:
        values = [schema["const"]] if "const" in schema else cast("list[object]", schema["enum"])
        return frozenset(kind_of(value) or "null" for value in values)
    if "anyOf" in schema:
        return frozenset(kind for each in schema["anyOf"] for kind in kinds_of(each))
    given = schema.get("type")
    if given is None:
        return _ALL
    names = [given] if isinstance(given, str) else given
    return frozenset("number" if name == "integer" else str(name) for name in names)


class _Checker:
    def __init__(self, roots: Mapping[str, Schema]) -> None:
        self._roots = roots
        self.faults: list[Fault] = []

    def schema_of(self, node: Node, member: Schema) -> Schema:
        match node:
            case Constant(value=value):
                return {"const": value}
            case Listed(members=members):
                found = [self.schema_of(each, member) for each in members]
                return {"type": "array", "items": {"anyOf": found} if found else ANYTHING}
            case Root(name=name):
                return member if name == "it" else self._root(name, node.at)
            case Part():
                return self._part(node, member)
            case Length():
                return self._length(node, member)
            case Default(of=of, other=other):
                return _any_of([self.schema_of(of, member), self.schema_of(other, member)])
            case Not(of=of):
                self._truth(of, member)
                return BOOLEAN
            case Both(left=left, right=right):
                self._truth(left, member)
                self._truth(right, member)
                return BOOLEAN
            case Compare():
                self._compare(node, member)
                return BOOLEAN
            case Over(of=of, condition=condition):
                self._truth(condition, self._members(node, self.schema_of(of, member)))
                return NUMBER if node.kind == "count" else BOOLEAN

    def plain(self, schema: Schema) -> Schema:
        """Follow `$ref`s, which are of pydantic's making or of a flow's `types`."""
        for _ in range(_MOST_REFERENCES):
            if "$ref" not in schema:
                return schema
            name = str(schema["$ref"]).rpartition("/")[2]
            homes = (root["$defs"] for root in self._roots.values() if "$defs" in root)
            schema = next((home[name] for home in homes if name in home), ANYTHING)
        return ANYTHING

    def _root(self, name: str, at: int) -> Schema:
        if name not in self._roots:
            message = f"there is no '{name}' here"
            if name in {"steps", "outcomes"}:
                message = "no step has ended when this is decided"
            self.faults.append(Fault("unknown-name", message, at, _known(self._roots)))
        return self._roots.get(name, ANYTHING)

    def _part(self, node: Part, member: Schema) -> Schema:
        schema = self.plain(self.schema_of(node.of, member))
        wanted = "object" if isinstance(node.name, str) else "array"
        if wanted not in kinds_of(schema):
            shown = f"'{node.name}'" if wanted == "object" else f"number {node.name}"
            what = "field" if wanted == "object" else "member"
            self._add("type-mismatch", f"{_article(schema)} has no {what} {shown}", node.at)
            return ANYTHING
        return self._field(node, schema)

    def _field(self, node: Part, schema: Schema) -> Schema:
        found: list[Schema] = []
        known: list[Mapping[str, Schema]] = []
        is_open = False
        for each in self._alternatives(schema):
            if isinstance(node.name, int):
                found.append(each.get("items", ANYTHING))
                continue
            properties: Mapping[str, Schema] = each.get("properties", {})
            known.append(properties)
            rest = each.get("additionalProperties", not properties)
            is_open = is_open or ("object" in kinds_of(each) and rest is not False)
            if node.name in properties:
                found.append(properties[node.name])
            elif isinstance(rest, Mapping):
                found.append(cast("Schema", rest))
        if not found and not is_open:
            self._unknown(node, {name for names in known for name in names})
        return found[0] if len(found) == 1 and not is_open else _any_of(found)

    def _unknown(self, node: Part, known: set[str]) -> None:
        name = str(node.name)
        hint = suggest(name, known)
        of = node.of.name if isinstance(node.of, Root) else ""
        if of in {"steps", "outcomes"}:
            close = suggest(name, known | set(self._roots)) if known else _known(self._roots)
            message = f"the flow has no step '{name}'"
            self.faults.append(Fault("unknown-dependency", message, node.at, close))
        else:
            self.faults.append(Fault("unknown-field", f"there is no field '{name}'", node.at, hint))

    def _alternatives(self, schema: Schema) -> Iterator[Schema]:
        schema = self.plain(schema)
        if "anyOf" in schema:
            for each in schema["anyOf"]:
                yield from self._alternatives(each)
        else:
            yield schema

    def _length(self, node: Length, member: Schema) -> Schema:
        schema = self.plain(self.schema_of(node.of, member))
        kinds = kinds_of(schema)
        if "object" in kinds and len(kinds - {"null"}) == 1:
            return self._field(Part(node.of, node.name, node.at), schema)
        countable = {"array", "object", *(("string",) if node.name == "length" else ())}
        if not kinds & countable:
            self._add("type-mismatch", f"{_article(schema)} has no {node.name}", node.at)
        return NUMBER

    def _members(self, node: Over, schema: Schema) -> Schema:
        schema = self.plain(schema)
        if "array" not in kinds_of(schema):
            self._add("type-mismatch", f"{_article(schema)} has no members", node.at)
            return ANYTHING
        lists = [each for each in self._alternatives(schema) if "array" in kinds_of(each)]
        return _any_of([each.get("items", ANYTHING) for each in lists])

    def _truth(self, node: Node, member: Schema) -> None:
        schema = self.plain(self.schema_of(node, member))
        if "boolean" not in self._kinds(schema):
            hint = "compare it with something"
            message = f"{_article(schema)} is not true or false"
            self._add("type-mismatch", message, node.at, hint)

    def _compare(self, node: Compare, member: Schema) -> None:
        left = self.plain(self.schema_of(node.left, member))
        right = self.plain(self.schema_of(node.right, member))
        if node.operator == "in":
            self._contained(node, left, right)
            return
        one, two = self._kinds(left) - {"null"}, self._kinds(right) - {"null"}
        if node.operator not in {"==", "!="}:
            one, two = one & ORDERED, two & ORDERED
        elif not one or not two:
            return
        if not one & two:
            message = f"{_article(left)} cannot be compared with {_article(right)}"
            self._add("type-mismatch", message, node.at)
        elif node.operator in {"==", "!="}:
            self._word(node.left, right)
            self._word(node.right, left)

    def _contained(self, node: Compare, left: Schema, right: Schema) -> None:
        kinds = self._kinds(right)
        is_text = "string" in kinds and "string" in self._kinds(left)
        if "array" not in kinds and not is_text:
            message = f"{_article(left)} cannot be in {_article(right)}"
            self._add("type-mismatch", message, node.at)
        elif "array" in kinds and isinstance(node.right, Listed):
            for each in node.right.members:
                self._word(each, left)

    def _word(self, node: Node, schema: Schema) -> None:
        """A text that is none of the words there are would make a condition silently false."""
        if not isinstance(node, Constant) or "enum" not in schema or node.value is None:
            return
        words = cast("Sequence[object]", schema["enum"])
        if not any(is_equal(node.value, each) for each in words):
            shown = json.dumps(node.value, ensure_ascii=False)
            known = [str(word) for word in words]
            hint = suggest(str(node.value), known)
            self._add("unknown-value", f"it is never {shown}: {', '.join(known)}", node.at, hint)

    def _kinds(self, schema: Schema) -> Kinds:
        return frozenset(kind for each in self._alternatives(schema) for kind in kinds_of(each))

    def _add(self, code: str, message: str, at: int, hint: str | None = None) -> None:
        self.faults.append(Fault(code, message, at, hint))


def _any_of(schemas: Sequence[Schema]) -> Schema:
    """Return what fits one of *schemas*, each once: else they double with every default()."""
    flat = [each for schema in schemas for each in schema.get("anyOf", [schema])]
    each_once = list({id(each): each for each in flat}.values())
    if not each_once or ANYTHING in each_once:
        return ANYTHING
    return each_once[0] if len(each_once) == 1 else {"anyOf": each_once}


def _known(names: Mapping[str, Schema]) -> str:
    return f"known here: {', '.join(sorted(names))}"


def _article(schema: Schema) -> str:
    kinds = kinds_of(schema)
    named = sorted(kinds - {"null"}) or ["null"]
    return " or ".join(ARTICLES[name] for name in named)
