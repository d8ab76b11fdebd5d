"""Whether a cited place exists in the pinned tree and holds the quote, judged by code (F-02)."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Protocol, TypeAlias

from flowrunner.evidence.fingerprints import squeeze
from flowrunner.evidence.tree import Refusal, Tree, read_lines, split_lines
from flowrunner.wire.findings import Citation

MIN_QUOTE = 4
"""Fewer characters than this, blanks aside, say nothing unless they are the whole line."""
MIN_MOVED = 8
"""A quote shorter than this is found somewhere in every file: elsewhere it proves nothing."""
MAX_SPAN = 400
"""A citation of more lines than this names no place."""

Lines: TypeAlias = tuple[str, ...]

_REFUSED = {
    Refusal.OUTSIDE: Citation.OUTSIDE_PROJECT,
    Refusal.MISSING: Citation.FILE_MISSING,
    Refusal.NOT_A_FILE: Citation.FILE_MISSING,
    Refusal.CHANGED: Citation.TREE_CHANGED,
}


class Cited(Protocol):
    """What a claim and a piece of counter evidence have in common."""

    @property
    def file(self) -> str: ...
    @property
    def line_start(self) -> int: ...
    @property
    def line_end(self) -> int | None: ...
    @property
    def quote(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Located:
    """The verdict, and for EXACT and MOVED where the quote really is (lines from 1)."""

    citation: Citation
    file: str
    first: int | None = None
    last: int | None = None


def check_citation(claim: Cited, tree: Tree) -> Citation:
    """Judge one claim; the file is read anew each time."""
    return locate(claim, tree).citation


def is_supported(citation: Citation) -> bool:
    """Return whether the quote was found in the file that the claim names."""
    return citation in {Citation.EXACT, Citation.MOVED}


def locate(
    claim: Cited, tree: Tree, lines_of: Callable[[str], Lines | Refusal] | None = None
) -> Located:
    """Find what *claim* quotes; *lines_of* spares reading a file again for every claim."""
    file = relative_name(tree, claim.file)
    if file is None:
        return Located(Citation.OUTSIDE_PROJECT, claim.file)
    lines = read_lines(tree, file) if lines_of is None else lines_of(file)
    if isinstance(lines, Refusal):
        return Located(_REFUSED.get(lines, Citation.QUOTE_MISMATCH), file)
    return match_quote(claim, file, lines)


def relative_name(tree: Tree, file: str) -> str | None:
    """Return *file* as the tree names it: models write `./a.py` and absolute paths too."""
    place = PurePosixPath(file)
    if place.is_absolute():
        for root in (tree.root, tree.root.resolve()):
            if place.is_relative_to(root.as_posix()):
                return relative_name(tree, place.relative_to(root.as_posix()).as_posix())
        return None
    return None if ".." in place.parts or "\0" in file else posixpath.normpath(file)


def match_quote(claim: Cited, file: str, lines: Lines) -> Located:
    """Compare by lines, blanks squeezed: at the cited place, else nearest to it in the file."""
    first, last = claim.line_start, claim.line_end or claim.line_start
    quote = [squeezed for line in split_lines(claim.quote) if (squeezed := squeeze(line))]
    places = _places(quote, lines)
    end = _end(first, last, quote)
    within = [place for place in places if first <= place[0] and place[1] <= end]
    if within and first <= last < first + MAX_SPAN and last <= len(lines):
        return Located(Citation.EXACT, file, *within[0])
    if places and _weight(quote) >= MIN_MOVED:
        nearest = min(places, key=lambda place: (abs(place[0] - first), place[0]))
        return Located(Citation.MOVED, file, *nearest)
    beyond = first > len(lines) or last > len(lines) or last < first
    return Located(Citation.LINE_OUT_OF_RANGE if beyond else Citation.QUOTE_MISMATCH, file)


def _end(first: int, last: int, quote: Sequence[str]) -> int:
    # Who names only the first line of a longer quote means all of it.
    return max(last, first + 2 * len(quote) - 1) if last == first and len(quote) > 1 else last


def _places(quote: Sequence[str], lines: Lines) -> list[tuple[int, int]]:
    """Return the (first, last) lines of each place that holds the quote, blank lines ignored."""
    if not quote:
        return []
    filled = _filled(lines)
    width = len(quote)
    return [
        (filled[at][0], filled[at + width - 1][0])
        for at in range(len(filled) - width + 1)
        if _holds([text for _, text in filled[at : at + width]], quote)
    ]


@lru_cache(maxsize=16)
def _filled(lines: Lines) -> tuple[tuple[int, str], ...]:
    return tuple((n, squeezed) for n, line in enumerate(lines, 1) if (squeezed := squeeze(line)))


def _holds(texts: list[str], quote: list[str] | Sequence[str]) -> bool:
    # The first line may be quoted from its middle on, the last one up to its middle.
    if texts == quote:
        return True
    if _weight(quote) < (MIN_QUOTE if len(quote) == 1 else MIN_MOVED):
        return False
    if len(quote) == 1:
        return quote[0] in texts[0]
    inner = texts[1:-1] == quote[1:-1]
    return inner and texts[0].endswith(quote[0]) and texts[-1].startswith(quote[-1])


def _weight(quote: Sequence[str]) -> int:
    return sum(len(line.replace(" ", "")) for line in quote)
