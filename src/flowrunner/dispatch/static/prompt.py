"""Finds in a prompt which files are meant; everything else in it is not for this agent."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError

from flowrunner.core.errors import InvalidInputError, Problem
from flowrunner.evidence.tree import split_lines

LABEL = "scope"
FINDINGS = "findings"
MAX_FILES = 100_000

_OPENING = re.compile(r"<<([A-Za-z][\w. -]*) ([\w-]{4,128})>>\s*")
_CLOSING = re.compile(r"<<end ([\w-]{4,128})>>\s*")
_Path = Annotated[str, Field(min_length=1)]


class _Listed(BaseModel):
    path: _Path
    status: str = ""


class _Scope(BaseModel):
    files: list[_Path | _Listed] = Field(max_length=MAX_FILES)
    answer: str = Field(default=FINDINGS, max_length=100)
    claims: list[str] = Field(default=[], max_length=MAX_FILES)


@dataclass(frozen=True, slots=True)
class Wish:
    """*files* are None where a prompt names none; *answer* is the form that is asked for.

    *claims* are the ids of what is to be ruled on, where that is the form.
    """

    files: tuple[str, ...] | None = None
    answer: str = FINDINGS
    claims: tuple[str, ...] = ()


def read_scope(prompt: str) -> tuple[str, ...] | None:
    """Return the paths of the scope block, or None if there is no block; raises as `read_wish`."""
    return read_wish(prompt).files


def read_wish(prompt: str) -> Wish:
    """Read the scope block, if there is one.

    A block lies between `<<scope NONCE>>` and `<<end NONCE>>`, each on a line of its own, and holds
    {"files": [...]}: paths, or objects with a `path` (one with the status deleted is left out); and
    beside it the form of the `answer`, where that is not findings. Blocks with other labels are
    skipped whole, so that text quoted in them cannot pose as the scope. Raises InvalidInputError
    for a block without an end, one of another shape, and two that differ.
    """
    blocks = list(dict.fromkeys(text for label, text in _blocks(prompt) if label == LABEL))
    if len(blocks) > 1:
        raise _refused("two-scopes", f"the prompt has {len(blocks)} scope blocks that differ")
    return _wish(blocks[0]) if blocks else Wish()


def _blocks(prompt: str) -> Iterator[tuple[str, str]]:
    lines = split_lines(prompt)
    ends: dict[str, list[int]] = {}
    for number, line in enumerate(lines):
        if closing := _CLOSING.fullmatch(line):
            ends.setdefault(closing[1], []).append(number)
    at = 0
    while at < len(lines):
        opening = _OPENING.fullmatch(lines[at])
        at += 1
        if opening is None or opening[1] == "end":
            continue
        closings = ends.get(opening[2], [])
        later = bisect_left(closings, at)
        if later < len(closings):
            yield opening[1], "\n".join(lines[at : closings[later]])
            at = closings[later] + 1
        elif opening[1] == LABEL:
            raise _refused("scope-without-end", f"the scope block {opening[2]} is never ended")


def _wish(text: str) -> Wish:
    try:
        scope = _Scope.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = "/".join(str(part) for part in first["loc"])
        message = f'the scope block wants {{"files": [...]}}: {place}: {first["msg"]}'
        raise _refused("bad-scope", message) from error
    files = [_Listed(path=each) if isinstance(each, str) else each for each in scope.files]
    paths = dict.fromkeys(each.path for each in files if each.status != "deleted")
    return Wish(tuple(paths), scope.answer, tuple(scope.claims))


def _refused(code: str, message: str) -> InvalidInputError:
    return InvalidInputError("the prompt is not understood", [Problem(code, message)])
