"""Fill a prompt template from finished steps' outputs: one pass, insertions never re-read (V-02).

Two forms: strict `{{ steps["find-bugs"].output }}`, `{{ steps.scan.json.items[0].file }}`, with an
optional `| default("text")`; and the older `$step.output` and `$step.output.field`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

from flowrunner.core.errors import Problem

PathPart: TypeAlias = str | int

_STRICT = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_STEP = r"""steps(?:\.(?P<name>\w+)|\[\s*(?:"(?P<dq>[^"]*)"|'(?P<sq>[^']*)')\s*\])"""
_PATH = r"""(?P<path>(?:\.\w+|\[\s*(?:\d+|"[^"]*"|'[^']*')\s*\])*)"""
_DEFAULT = r"""(?:\s*\|\s*default\(\s*(?:"(?P<ddq>[^"]*)"|'(?P<dsq>[^']*)')\s*\))?"""
_EXPRESSION = re.compile(rf"\s*{_STEP}\.(?P<what>output|json){_PATH}{_DEFAULT}\s*\Z")
_PART = re.compile(r"""\.(\w+)|\[\s*(?:(\d+)|"([^"]*)"|'([^']*)')\s*\]""")
_LONGEST_SHOWN = 100
_FENCE = re.compile(r"[ \t]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)*(`{3,}(?!.*`)|~{3,})")
_FENCE_END = re.compile(r"[ \t]*(`{3,}|~{3,})[ \t]*\Z")


@dataclass(frozen=True, slots=True)
class Reference:
    """One place of a template that wants a step's output; *legacy* means the `$` form."""

    step: str
    path: tuple[PathPart, ...] = ()
    default: str | None = None
    legacy: bool = False
    source: str = ""


@dataclass(frozen=True, slots=True)
class Value:
    """What a step offers: its text; *absent* when it was skipped or excluded (V-04)."""

    text: str = ""
    absent: bool = False


@dataclass(frozen=True, slots=True)
class Unresolved:
    """A reference that has no value at run time; the step fails `unresolved_reference` (V-03)."""

    reference: Reference
    reason: str


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template: literal text and references in order."""

    parts: tuple[str | Reference, ...]

    @property
    def references(self) -> tuple[str, ...]:
        return tuple(part.step for part in self.parts if isinstance(part, Reference))

    def fill(
        self, values: Mapping[str, Value], *, nonce: str | None, cap: int = 200_000
    ) -> str | Unresolved:
        """Insert every value inside a nonce fence, cut at *cap* characters and marked (V-07).

        Without a *nonce* the text is for a person, and values are quoted as in any letter.
        """
        filled: list[str] = []
        for part in self.parts:
            if isinstance(part, str):
                filled.append(part)
                continue
            text = _lookup(part, values)
            if isinstance(text, Unresolved):
                return text
            filled.append(
                quote(text, cap)
                if nonce is None
                else fence(text, nonce=nonce, label=part.step, cap=cap)
            )
        return "".join(filled)


def fence(text: str, *, nonce: str, label: str, cap: int) -> str:
    """Mark *text* as something quoted, not said: it cannot hold the nonce that ends the quote.

    An agent reads the nonce in its own prompt and may be talked into repeating it, or into writing
    it in capitals, which a reader takes for the same.
    """
    text = _cut(re.sub(re.escape(nonce), "[nonce]", text, flags=re.IGNORECASE), cap)
    return f"<<{label} {nonce}>>\n{text}\n<<end {nonce}>>"


def quote(text: str, cap: int) -> str:
    """Set apart in Markdown what the asker did not write; a single line stays where it stands."""
    lines = _cut(text, cap).strip().splitlines()
    if len(lines) <= 1:
        return "".join(lines)
    return "\n\n" + "\n".join(f"> {line}".rstrip() for line in lines) + "\n\n"


def _cut(text: str, cap: int) -> str:
    more = len(text) - cap
    return text if more <= 0 else f"{text[:cap]}\n[truncated: {more} more characters]"


def parse(template: str, known: Collection[str]) -> Template | Problem:
    """Split *template* at its references; whether their steps exist is for `check_graph` to say."""
    parts: list[str | Reference] = []
    at = 0
    for match in _strict(template):
        parts += _legacy(template[at : match.start()], known)
        reference = _expression(match)
        if reference is None:
            return _unreadable(template, match)
        parts.append(reference)
        at = match.end()
    parts += _legacy(template[at:], known)
    return Template(tuple(part for part in parts if part != ""))


def misread(template: str) -> tuple[Problem, ...]:
    """Return a problem for every place that `parse` cannot read, not only for the first."""
    strict = _strict(template)
    return tuple(_unreadable(template, match) for match in strict if _expression(match) is None)


def _strict(template: str) -> Iterator[re.Match[str]]:
    """Find `{{ ... }}`; behind the last `}}` every opening would be followed to the end in vain."""
    return _STRICT.finditer(template, 0, template.rfind("}}") + 2)


def _unreadable(template: str, match: re.Match[str]) -> Problem:
    line = template.count("\n", 0, match.start()) + 1
    hint = 'write {{ steps["step-id"].output }} or {{ steps.step_id.json.field[0] }}'
    source = match[0] if len(match[0]) <= _LONGEST_SHOWN else f"{match[0][:_LONGEST_SHOWN]}…"
    message = f"cannot read the reference {source!r}"
    return Problem("bad-reference", message, line=line, hint=hint)


def _expression(match: re.Match[str]) -> Reference | None:
    found = _EXPRESSION.match(match[1])
    if found is None or (found["what"] == "output" and found["path"]):
        return None
    step = next(name for name in (found["name"], found["dq"], found["sq"]) if name is not None)
    default = found["ddq"] if found["ddq"] is not None else found["dsq"]
    path = ("",) if found["what"] == "json" else ()
    for part in _PART.finditer(found["path"]):
        name, index, double, single = part.groups()
        path += (int(index),) if index is not None else (name or double or single or "",)
    return Reference(step, path, default, source=match[0])


def _legacy(text: str, known: Collection[str]) -> Sequence[str | Reference]:
    """Read `$id.output[.field]`, taking the longest known id, hyphens included (V-01).

    An unknown id is a reference as well: left as it stands, nobody would hear of the mistake.
    """
    if "$" not in text:
        return (text,)
    longest_first = sorted(known, key=len, reverse=True)
    names = "|".join([*map(re.escape, longest_first), r"\w[\w-]*"])
    # A field may be followed by a full stop that ends the sentence: names only, dots between.
    pattern = re.compile(rf"\$({names})\.output(?![\w-])((?:\.\w+)*)")
    parts: list[str | Reference] = []
    at = 0
    for match in pattern.finditer(text):
        parts.append(text[at : match.start()])
        field = (match[2][1:],) if match[2] else ()
        parts.append(Reference(match[1], field, legacy=True, source=match[0]))
        at = match.end()
    parts.append(text[at:])
    return parts


def _lookup(reference: Reference, values: Mapping[str, Value]) -> str | Unresolved:
    value = values.get(reference.step, Value(absent=True))
    if value.absent:
        # V-04: a producer that did not run gives its default, else nothing; never a literal `$x`.
        return reference.default if reference.default is not None else ""
    if not reference.path:
        return value.text
    found = _field(reference, value.text)
    if isinstance(found, Unresolved) and reference.default is not None:
        return reference.default
    return found


def _field(reference: Reference, text: str) -> str | Unresolved:
    try:
        parsed: object = json.loads(text)
    except (ValueError, RecursionError):
        if reference.legacy:
            return _line_field(reference, text)
        return Unresolved(reference, "the output is not JSON")
    names = str(reference.path[0]).split(".") if reference.legacy else reference.path[1:]
    found = _walk(parsed, names)
    if isinstance(found, _Missing):
        if reference.legacy and not isinstance(parsed, dict | list):
            return _line_field(reference, text)
        return Unresolved(reference, f"the output has no {found.name!r}")
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class _Missing:
    name: PathPart


def _walk(value: object, path: Sequence[PathPart]) -> object:
    for part in path:
        value = _member(value, part)
        if isinstance(value, _Missing):
            return value
    return value


def _member(value: object, part: PathPart) -> object:
    if isinstance(value, dict):
        return cast("dict[PathPart, object]", value).get(part, _Missing(part))
    if isinstance(value, list) and isinstance(part, int):
        members = cast("list[object]", value)
        return members[part] if part < len(members) else _Missing(part)
    return _Missing(part)


def _line_field(reference: Reference, text: str) -> str | Unresolved:
    """Take the first `field: value` line outside code fences; empty counts (V-05, V-06)."""
    name = str(reference.path[0])
    wanted = re.compile(rf"^[ \t]*{re.escape(name)}[ \t]*:(.*)$", re.IGNORECASE | re.MULTILINE)
    found = wanted.search(_without_code(text))
    return found[1].strip() if found else Unresolved(reference, f"no line '{name}: …'")


def _without_code(text: str) -> str:
    """Drop fenced blocks, so that quoted text cannot pass for a field (D2-15c)."""
    kept: list[str] = []
    fence_mark = ""
    for line in text.splitlines():
        if fence_mark:
            end = _FENCE_END.match(line)
            if end and end[1].startswith(fence_mark):
                fence_mark = ""
        elif mark := _FENCE.match(line):
            fence_mark = mark[1]
        else:
            kept.append(line)
    return "\n".join(kept)
