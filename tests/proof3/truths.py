"""How an honest reviewer may cite: exactly, in part, loosely, or at a line that has moved."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from proof3.source import LONGEST, Source


@dataclass(frozen=True, slots=True)
class Cited:
    """*expected* is what the report has to say of it."""

    file: str
    first: int
    last: int | None
    quote: str
    expected: str = "exact"


Making: TypeAlias = Callable[[random.Random, Source], Cited]


def one_line(rng: random.Random, source: Source) -> Cited:
    file = source.readable(rng)
    at = rng.choice(source.telling(file))
    return Cited(file, at, rng.choice([at, None]), source.line(file, at))


def several_lines(rng: random.Random, source: Source) -> Cited:
    file = source.readable(rng)
    first = rng.choice(source.telling(file))
    lines = list(source.lines(file)[first - 1 : first + rng.randint(1, 4)])
    while not lines[-1].strip() or max(map(len, lines)) > LONGEST:
        lines.pop()
    return Cited(file, first, first + len(lines) - 1, "\n".join(lines))


def first_line_named(rng: random.Random, source: Source) -> Cited:
    """Only the first of the quoted lines is named."""
    whole = several_lines(rng, source)
    return _misplaced(whole, whole.first, None)


def a_part_of_a_line(rng: random.Random, source: Source) -> Cited:
    whole = one_line(rng, source)
    text = whole.quote.strip()
    return Cited(whole.file, whole.first, whole.last, text[: max(len(text) * 2 // 3, 10)])


def other_blanks(rng: random.Random, source: Source) -> Cited:
    """Indented, spaced and ended otherwise, as models do."""
    whole = several_lines(rng, source)
    lines = [rng.choice(["\t", "", "  "]) + line.strip() for line in whole.quote.split("\n")]
    text = rng.choice(["\n", "\r\n"]).join(line.replace(" ", "  ") for line in lines)
    return Cited(whole.file, whole.first, whole.last, text + rng.choice(["", "\n", "  "]))


def dot_slash(rng: random.Random, source: Source) -> Cited:
    whole = one_line(rng, source)
    return Cited(f"./{whole.file}", whole.first, whole.last, whole.quote)


def absolute(rng: random.Random, source: Source) -> Cited:
    whole = one_line(rng, source)
    return Cited(f"{source.root}/{whole.file}", whole.first, whole.last, whole.quote)


def through_an_inner_link(rng: random.Random, source: Source) -> Cited:
    """A link that stays inside the project leads to a file of the project."""
    whole = one_line(rng, source)
    return Cited(f"inner-link/{whole.file}", whole.first, whole.last, whole.quote)


def moved(rng: random.Random, source: Source) -> Cited:
    """The right lines of the right file, at another place."""
    whole = several_lines(rng, source)
    places = [n for n in range(1, source.count(whole.file) + 1) if abs(n - whole.first) > 12]
    at = rng.choice(places or [source.count(whole.file) + 7])
    return _misplaced(whole, at, at)


def moved_beyond_the_end(rng: random.Random, source: Source) -> Cited:
    whole = several_lines(rng, source)
    at = source.count(whole.file) + rng.randint(1, 90)
    return _misplaced(whole, at, rng.choice([None, at + 2]))


def reversed_range(rng: random.Random, source: Source) -> Cited:
    whole = one_line(rng, source)
    return _misplaced(whole, whole.first + 3, whole.first)


def _misplaced(whole: Cited, first: int, last: int | None) -> Cited:
    # The text may happen to stand there, too: then nothing has moved.
    return Cited(whole.file, first, last, whole.quote, "moved or exact")


TRUE: Mapping[str, Making] = {
    made.__name__: made
    for made in (
        one_line, several_lines, first_line_named, a_part_of_a_line, other_blanks, dot_slash,
        absolute, through_an_inner_link, moved, moved_beyond_the_end, reversed_range,
    )
}  # fmt: skip
