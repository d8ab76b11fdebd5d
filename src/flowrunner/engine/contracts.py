"""Whether what an answer cites and names is really there: its step's `produces`, judged by code.

Reads the project, and runs the author's functions: to be called in a thread, with a time limit.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from flowrunner.definitions.context import Context
from flowrunner.definitions.produces import Citations, Produces
from flowrunner.engine import threads
from flowrunner.engine.answers import Said
from flowrunner.evidence.citations import Lines, Located, locate, relative_name
from flowrunner.evidence.tree import Refusal, Tree, confine, pin_tree, read_lines
from flowrunner.wire.findings import Citation

_LONGEST_SHOWN = 120


class ProjectUnreadableError(Exception):
    """Nothing can be said about an answer: this process cannot read what it speaks of."""


@dataclass(frozen=True, slots=True)
class Cited:
    """One claim of an answer, at *pointer* in its JSON."""

    pointer: str
    file: str
    line_start: int
    line_end: int | None
    quote: str


def broken(produces: Produces, said: Said, context: Context) -> tuple[str, ...]:
    """Return every problem of an answer that fits its type, each with where it stands.

    Raises ProjectUnreadableError, and whatever the author's functions raise.
    """
    found = [*_citations(produces, said, context), *_files(produces, said, context)]
    if produces.check is not None:
        found += _sentences("check", threads.finished(produces.check(context, said.value)))
    return tuple(found)


def _citations(produces: Produces, said: Said, context: Context) -> Iterator[str]:
    citing = produces.citing
    if citing is None:
        return
    root = _readable(context.project.root)
    claims: list[Cited] = []
    for pointer, found in _objects(said.json):
        claim = _claim(pointer, found, citing)
        if isinstance(claim, Cited):
            claims.append(claim)
        elif claim:
            yield claim
    tree = _tree(produces, claims, context, root)
    known: dict[str, Lines | Refusal] = {}

    def lines_of(file: str) -> Lines | Refusal:
        if file not in known:
            known[file] = read_lines(tree, file)
        return known[file]

    for claim in claims:
        located = locate(claim, tree, lines_of)
        if wrong := _wrong(located, lines_of(located.file), is_exact=citing.exact):
            yield f"{claim.pointer}: {_shown(claim.file)}, line {claim.line_start}: {wrong}"


def _claim(pointer: str, found: Mapping[str, object], citing: Citations) -> Cited | str | None:
    """Return the claim that an object makes, why it cannot be read, or None if it makes none."""
    keys = (citing.line,) if isinstance(citing.line, str) else tuple(citing.line)
    file, quote = found.get(citing.file), found.get(citing.quote)
    line = next((found[key] for key in keys if found.get(key) is not None), None)
    end = found.get(citing.line_end)
    if file is None or quote is None or line is None:
        return None
    if isinstance(file, str) and isinstance(quote, str) and type(line) is int:
        return Cited(pointer, file, line, end if type(end) is int else None, quote)
    return f"{pointer}: {citing.file} and {citing.quote} must be text, and the line a number"


def _wrong(located: Located, lines: Lines | Refusal, *, is_exact: bool) -> str | None:
    match located.citation:
        case Citation.EXACT:
            return None
        case Citation.MOVED:
            place = f"lines {located.first} to {located.last}"
            return f"the quote stands at {place} of that file, not there" if is_exact else None
        case Citation.FILE_MISSING:
            return "the project has no such file"
        case Citation.OUTSIDE_PROJECT:
            return "that is outside the project"
        case Citation.TREE_CHANGED:
            return "the file has changed since it was pinned"
        case Citation.LINE_OUT_OF_RANGE:
            count = len(lines) if isinstance(lines, tuple) else 0
            return f"there is no such line, the file has {count}, and none holds the quote"
        case Citation.QUOTE_MISMATCH:
            return "the file does not hold the quote: copy it character by character"


def _tree(produces: Produces, claims: Sequence[Cited], context: Context, root: Path) -> Tree:
    """Return what the citations are held against; what is not pinned is pinned as of now."""
    pins = {} if produces.pins is None else dict(threads.finished(produces.pins(context)))
    bare = Tree(root, pins)
    names = {name for claim in claims if (name := relative_name(bare, claim.file)) is not None}
    others = pin_tree(root, names - pins.keys()) if names - pins.keys() else bare
    return replace(others, files={**others.files, **pins})


def _files(produces: Produces, said: Said, context: Context) -> Iterator[str]:
    named: object = produces.files
    if callable(named):
        named = threads.finished(named(context, said.value))
    files = _sentences("files", named)
    if not files:
        return
    root = _readable(context.project.root)
    for file in files:
        if wrong := _absent(root, file):
            yield f"{_pointer_to(file, said.json)}: {_shown(file)}: {wrong}"


def _absent(root: Path, file: str) -> str | None:
    name = relative_name(Tree(root, {}), file)
    place = Refusal.OUTSIDE if name is None else confine(root, name)
    if isinstance(place, Refusal):
        return f"that names no file of the project ({place.value.replace('_', ' ')})"
    try:
        is_file = stat.S_ISREG(root.resolve().joinpath(place).lstat().st_mode)
    except OSError:
        return "the project has no such file"
    return None if is_file else "that is no file"


def _readable(root: Path) -> Path:
    """Return *root*. Raises ProjectUnreadableError: what nobody can look at does not pass."""
    if not root.is_dir() or not os.access(root, os.R_OK | os.X_OK):
        msg = f"{root} cannot be read by the process that judges answers"
        raise ProjectUnreadableError(msg)
    return root


def _objects(value: object) -> Iterator[tuple[str, Mapping[str, object]]]:
    for pointer, found in _values(value):
        if isinstance(found, dict):
            yield pointer, cast("Mapping[str, object]", found)


def _pointer_to(text: str, value: object) -> str:
    """Where the answer says *text*; "files" when that is not in the answer's own words."""
    return next((pointer for pointer, found in _values(value) if found == text), "files")


def _values(value: object) -> Iterator[tuple[str, object]]:
    """Yield every value of the answer with its JSON pointer, the outer ones first."""
    waiting = [("", value)]
    while waiting:
        at, found = waiting.pop()
        yield at or "answer", found
        if isinstance(found, dict):
            known = cast("Mapping[str, object]", found)
            inner = [(f"{at}/{_token(key)}", each) for key, each in known.items()]
        elif isinstance(found, list):
            members = cast("list[object]", found)
            inner = [(f"{at}/{number}", each) for number, each in enumerate(members)]
        else:
            continue
        waiting += reversed(inner)


def _token(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _sentences(name: str, given: object) -> list[str]:
    """Return a list of texts; a function that forgot to return one has found nothing well."""
    if not isinstance(given, list | tuple):
        raise TypeError(f"produces.{name} gives a list of texts, not {type(given).__name__}")
    members = cast("Sequence[object]", given)
    wrong = next((each for each in members if not isinstance(each, str)), None)
    if wrong is not None:
        raise TypeError(f"produces.{name} gives texts, not {type(wrong).__name__}")
    return [str(each) for each in members]


def _shown(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
