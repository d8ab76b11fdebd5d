"""Texts with `${...}`: found before anything is inserted; what is inserted is never read (V-02).

`$${` is a `${` that is meant as it stands.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TypeAlias

from flowrunner.core.expression_reading import read
from flowrunner.core.expressions import Fault, Node

_OPENING = re.compile(r"\$?\$\{")
_BODY = re.compile(r"""(?:[^}"']|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')*""", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Inserted:
    """One `${...}`; *at* is where its expression begins."""

    node: Node
    source: str
    at: int


Piece: TypeAlias = str | Inserted


def split(text: str) -> tuple[tuple[Piece, ...], tuple[Fault, ...]]:
    """Return the literal and the inserted pieces of *text* in order, and every mistake in it."""
    pieces: list[Piece] = []
    faults: list[Fault] = []
    at = 0
    while (opening := _OPENING.search(text, at)) is not None:
        pieces.append(text[at : opening.start()])
        if opening[0] == "$${":
            pieces.append("${")
            at = opening.end()
            continue
        body = _BODY.match(text, opening.end())
        end = body.end() if body else opening.end()
        if text[end : end + 1] != "}":
            faults.append(Fault("bad-expression", "'${' has no closing '}'", opening.start()))
            return tuple(filter(None, pieces)), tuple(faults)
        found = read(text[opening.end() : end])
        if isinstance(found, Fault):
            faults.append(replace(found, at=found.at + opening.end()))
        else:
            pieces.append(Inserted(found, text[opening.start() : end + 1], opening.end()))
        at = end + 1
    pieces.append(text[at:])
    return tuple(filter(None, pieces)), tuple(faults)


def read_whole(text: str) -> Inserted | Fault:
    """Read a text that is one expression and nothing else, within `${...}` or bare."""
    stripped = text.strip()
    if not stripped.startswith("${"):
        found = read(text)
        return found if isinstance(found, Fault) else Inserted(found, stripped, 0)
    pieces, faults = split(text)
    if faults:
        return faults[0]
    inserted = [piece for piece in pieces if isinstance(piece, Inserted)]
    if len(inserted) != 1 or any(piece.strip() for piece in pieces if isinstance(piece, str)):
        return Fault("bad-expression", "one expression is wanted here, not a text with some")
    return inserted[0]
