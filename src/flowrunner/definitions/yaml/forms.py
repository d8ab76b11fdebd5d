"""What may stand in a YAML flow, said once: the checker and the published schema both read this.

A form is a value; `problems_in` holds a node against it, `schema_of` prints it as JSON Schema.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, TypeAlias

from flowrunner.core.errors import Problem
from flowrunner.core.validation import suggest
from flowrunner.definitions.durations import LONGEST_SECONDS, SPAN_HINT, seconds_of
from flowrunner.definitions.yaml.nodes import ListNode, MapNode, Node, Place, ScalarNode, plain

_SPAN = r"^(?=.)(\d+d)?(\d+h)?(\d+m)?(\d+(\.\d+)?s)?$"


@dataclass(frozen=True, slots=True)
class Text:
    """A text that is not empty; *choices* are all there is, *pattern* is that of *what*."""

    choices: tuple[str, ...] = ()
    pattern: str | None = None
    what: str = "a name"
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Flag:
    pass


@dataclass(frozen=True, slots=True)
class Number:
    low: float | None = None
    high: float | None = None
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class Span:
    """A span of time: seconds, or text like 30m; *is_open*: an expression may give it."""

    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Anything:
    """Any JSON value; *is_scalar*: no list and no map."""

    is_scalar: bool = False


@dataclass(frozen=True, slots=True)
class Many:
    """A list; *one* is what messages call a member."""

    of: Form
    least: int = 0
    one: str | None = None


@dataclass(frozen=True, slots=True)
class Named:
    """A map whose keys are an author's own names."""

    of: Form
    pattern: str
    hint: str


@dataclass(frozen=True, slots=True)
class Fields:
    """A map of known keys. *one_of*: exactly one of these is there."""

    fields: Mapping[str, Form]
    required: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Either:
    """A short form, or a map that says more."""

    short: Form
    long: Form


@dataclass(frozen=True, slots=True)
class Use:
    """A form of FORMS by its name, so that one may hold itself."""

    name: str


Form: TypeAlias = Text | Flag | Number | Span | Anything | Many | Named | Fields | Either | Use
Forms: TypeAlias = Mapping[str, Form]


@dataclass(frozen=True, slots=True)
class Sheet:
    """The file that is checked, and the forms that `Use` means."""

    file: str
    forms: Forms

    def problem(self, place: Place, code: str, message: str, hint: str | None = None) -> Problem:
        return Problem(code, message, self.file, place.line, place.column, hint=hint)


def problems_in(node: Node, form: Form, sheet: Sheet, name: str) -> Iterator[Problem]:
    """Yield everything in which *node*, the value of *name*, is not of *form*."""
    match form:
        case Use(name=used):
            yield from problems_in(node, sheet.forms[used], sheet, name)
        case Either(short=short, long=long):
            chosen = short if isinstance(node, ScalarNode | ListNode) else long
            yield from problems_in(node, chosen, sheet, name)
        case Fields():
            yield from _in_fields(node, form, sheet, name)
        case Named():
            yield from _in_named(node, form, sheet, name)
        case Many(of=of, least=least, one=one):
            if not isinstance(node, ListNode) or len(node.members) < least:
                wanted = "a list that is not empty" if least else "a list"
                yield _wrong(node, sheet, f"{name} must be {wanted}")
                return
            for member in node.members:
                yield from problems_in(member, of, sheet, one or f"a member of {name}")
        case _:
            yield from _in_scalar(node, form, sheet, name)


def _in_fields(node: Node, form: Fields, sheet: Sheet, name: str) -> Iterator[Problem]:
    if not isinstance(node, MapNode):
        yield _wrong(node, sheet, f"{name} must be a map with {_listed(form.fields)}")
        return
    for key, value in node.members.items():
        if key in form.fields:
            yield from problems_in(value, form.fields[key], sheet, key)
        else:
            hint = suggest(key, form.fields.keys())
            message = f"{name} has no key '{key}'"
            yield sheet.problem(node.places[key], "unknown-key", message, hint)
    unknown = node.members.keys() - form.fields.keys()
    meant = {word for key in unknown for word in get_close_matches(key, form.fields, n=1)}
    for key in form.required:
        if key not in node.members and key not in meant:
            yield sheet.problem(node.place, "missing-key", f"{name} has no '{key}'")
    given = [key for key in node.members if key in form.one_of]
    if form.one_of and not given and not meant & set(form.one_of):
        message = f"{name} is one of {', '.join(form.one_of)}, and here is none"
        yield sheet.problem(node.place, "missing-key", message)
    for key in given[1:]:
        message = f"{name} cannot be both '{given[0]}' and '{key}'"
        yield sheet.problem(node.places[key], "contrary-keys", message, "make it two steps")


def _in_named(node: Node, form: Named, sheet: Sheet, name: str) -> Iterator[Problem]:
    if not isinstance(node, MapNode):
        yield _wrong(node, sheet, f"{name} must be a map of names")
        return
    for key, value in node.members.items():
        if not re.fullmatch(form.pattern, key):
            message = f"'{key}' cannot be a name in {name}"
            yield sheet.problem(node.places[key], "bad-name", message, form.hint)
        yield from problems_in(value, form.of, sheet, f"{name}.{key}")


def _in_scalar(node: Node, form: Form, sheet: Sheet, name: str) -> Iterator[Problem]:
    value = node.value if isinstance(node, ScalarNode) else plain(node)
    match form:
        case Text():
            yield from _in_text(node, form, sheet, name)
        case Flag() if not isinstance(value, bool):
            yield _wrong(node, sheet, f"{name} must be true or false")
        case Number(low=low, high=high, is_whole=is_whole):
            kinds = (int,) if is_whole else (int, float)
            if not isinstance(value, kinds) or isinstance(value, bool):
                yield _wrong(node, sheet, f"{name} must be a {'whole ' * is_whole}number")
            elif (low is not None and value < low) or (high is not None and value > high):
                bounds = f"at least {low}" if high is None else f"from {low} to {high}"
                yield _wrong(node, sheet, f"{name} must be {bounds}", "bad-value")
        case Span(is_open=is_open):
            is_expression = is_open and isinstance(value, str) and "${" in value
            if not is_expression and seconds_of(value) is None:
                yield _wrong(node, sheet, f"{name} must be a span of time", hint=SPAN_HINT)
        case Anything(is_scalar=True) if not isinstance(node, ScalarNode):
            yield _wrong(node, sheet, f"{name} must be a single value")
        case _:
            pass


def _in_text(node: Node, form: Text, sheet: Sheet, name: str) -> Iterator[Problem]:
    if not isinstance(node, ScalarNode) or not isinstance(node.value, str):
        is_quotable = isinstance(node, ScalarNode) and node.value is not None and not form.choices
        hint = f'write "{node.text}"' if is_quotable and isinstance(node, ScalarNode) else None
        wanted = f"one of {', '.join(form.choices)}" if form.choices else "text"
        yield _wrong(node, sheet, f"{name} must be {wanted}", hint=hint)
    elif form.choices and node.value not in form.choices:
        message = f"{name} must be one of {', '.join(form.choices)}"
        yield _wrong(node, sheet, message, "bad-value", suggest(node.value, form.choices))
    elif form.pattern and not re.fullmatch(form.pattern, node.value):
        yield _wrong(node, sheet, f"{name} must be {form.what}", "bad-value", form.hint)
    elif not node.value.strip():
        yield sheet.problem(node.place, "bad-value", f"{name} is empty")


def _wrong(
    node: Node, sheet: Sheet, message: str, code: str = "wrong-type", hint: str | None = None
) -> Problem:
    match node:
        case MapNode():
            shown = "a map"
        case ListNode():
            shown = "a list" if node.members else "an empty list"
        case ScalarNode(value=value):
            told = "nothing" if value is None else json.dumps(value, ensure_ascii=False)
            shown = told if len(told) <= 60 else f"{told[:59]}…"  # noqa: PLR2004
    return sheet.problem(node.place, code, f"{message}, not {shown}", hint)


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names)[:6]) + (", ..." if len(names) > 6 else "")  # noqa: PLR2004


def schema_of(form: Form) -> dict[str, Any]:
    """Return *form* as JSON Schema; what `Use` names is expected in `$defs`."""
    match form:
        case Many(of=of, least=least):
            return {"type": "array", "items": schema_of(of), "minItems": least}
        case Named(of=of, pattern=pattern):
            names = {"pattern": f"^(?:{pattern})$"}
            return {
                "type": "object",
                "propertyNames": names,
                "additionalProperties": schema_of(of),
            }
        case Fields():
            return _schema_of_fields(form)
        case Either(short=short, long=long):
            return {"anyOf": [schema_of(short), schema_of(long)]}
        case Use(name=name):
            return {"$ref": f"#/$defs/{name}"}
        case _:
            return _schema_of_scalar(form)


def _schema_of_scalar(form: Text | Flag | Number | Span | Anything) -> dict[str, Any]:
    match form:
        case Text(choices=choices, pattern=pattern):
            if choices:
                return {"enum": list(choices)}
            anchored = f"^(?:{pattern})$" if pattern else r"\S"
            return {"type": "string", "pattern": anchored}
        case Flag():
            return {"type": "boolean"}
        case Number(low=low, high=high, is_whole=is_whole):
            bounds = {"minimum": low, "maximum": high}
            kept = {name: bound for name, bound in bounds.items() if bound is not None}
            return {"type": "integer" if is_whole else "number", **kept}
        case Span(is_open=is_open):
            texts = [_SPAN, *([r"\$\{"] if is_open else [])]
            seconds = {"type": "number", "exclusiveMinimum": 0, "maximum": LONGEST_SECONDS}
            return {"anyOf": [seconds, *({"type": "string", "pattern": p} for p in texts)]}
        case Anything(is_scalar=is_scalar):
            kinds = ["string", "number", "boolean", "null"]
            return {"type": kinds} if is_scalar else {}


def _schema_of_fields(form: Fields) -> dict[str, Any]:
    properties = {name: schema_of(each) for name, each in form.fields.items()}
    for name, note in form.notes.items():
        properties[name] = {"description": note, **properties[name]}
    schema: dict[str, Any] = {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }
    if form.required:
        schema["required"] = list(form.required)
    if form.one_of:
        schema["oneOf"] = [{"required": [name]} for name in form.one_of]
    return schema
