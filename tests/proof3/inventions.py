"""How a reviewer may cite what is not there, or not to be read."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace

from proof3 import truths
from proof3.source import SHORT, Source, squeezed, weight
from proof3.truths import Cited, Making

PAST_FILE, PAST_LINE = (
    "legacy_export.py",
    "total = rounded(total * rate_of(country) / 100)  # later",
)
"""A file, and a line of README.md, that only an earlier commit has."""
OUTSIDE = "outside"
"""A folder beside the project, with a file that is really there."""
SECRET = "the combination is 4711, and nobody may know"  # noqa: S105  # it opens nothing
LOOKALIKES = str.maketrans("aeopcxy", "\u0430\u0435\u043e\u0440\u0441\u0445\u0443")
"""Letters of the Latin alphabet, and Cyrillic ones that look the same."""
WORDS = ("ledger", "quorum", "tariff", "beacon", "walrus", "gantry", "hollow", "sextant")


def _made_up(rng: random.Random) -> str:
    left, right = rng.sample(WORDS, 2)
    return f"    {left}_{rng.randint(100, 999)} = {right}(self, {rng.randint(1000, 9999)})"


def no_such_file(rng: random.Random, source: Source) -> Cited:
    whole = truths.one_line(rng, source)
    folder, _, name = whole.file.rpartition("/")
    file = "/".join(filter(None, [folder, f"{rng.choice(WORDS)}_{name}"]))
    return replace(whole, file=file, expected="file_missing")


def no_such_quote(rng: random.Random, source: Source) -> Cited:
    whole = truths.one_line(rng, source)
    return replace(whole, quote=_made_up(rng), expected="quote_mismatch")


def no_such_line(rng: random.Random, source: Source) -> Cited:
    whole = truths.one_line(rng, source)
    at = source.count(whole.file) + rng.randint(1, 500)
    return Cited(whole.file, at, at, _made_up(rng), "line_out_of_range")


def nothing_in_reverse(rng: random.Random, source: Source) -> Cited:
    whole = truths.one_line(rng, source)
    return Cited(whole.file, whole.first + 1, whole.first, _made_up(rng), "line_out_of_range")


def too_short_elsewhere(rng: random.Random, source: Source) -> Cited:
    """A word that stands somewhere in every file proves nothing about another place."""
    while True:
        whole = truths.one_line(rng, source)
        words = [word for word in whole.quote.split() if 4 <= weight(word) < SHORT]
        lines = enumerate(source.lines(whole.file)[: source.count(whole.file)], 1)
        word = rng.choice(words) if words else ""
        places = [n for n, line in lines if word and word not in line]
        if places:
            at = rng.choice(places)
            return Cited(whole.file, at, at, word, "quote_mismatch")


def of_another_file(rng: random.Random, source: Source) -> Cited:
    while True:
        whole, other = truths.one_line(rng, source), truths.one_line(rng, source)
        if whole.file != other.file and not source.holds(whole.file, other.quote):
            return replace(whole, quote=other.quote, expected="quote_mismatch")


def above_the_project(rng: random.Random, _source: Source) -> Cited:
    line = rng.choice([1, None])
    return Cited(f"../{OUTSIDE}/secret.txt", 1, line, SECRET, "outside_project")


def elsewhere_on_the_machine(_rng: random.Random, source: Source) -> Cited:
    return Cited(f"{source.root.parent}/{OUTSIDE}/secret.txt", 1, 1, SECRET, "outside_project")


def through_an_outer_link(_rng: random.Random, _source: Source) -> Cited:
    return Cited("outer-link/secret.txt", 1, 1, SECRET, "outside_project")


def up_and_down(rng: random.Random, source: Source) -> Cited:
    """`..` is never followed: what it means depends on links."""
    whole = truths.one_line(rng, source)
    folder = whole.file.split("/", maxsplit=1)[0]
    return replace(whole, file=f"{folder}/../{whole.file}", expected="outside_project")


def in_gits_own_folder(_rng: random.Random, _source: Source) -> Cited:
    return Cited(".git/HEAD", 1, 1, "ref: refs/heads/main", "outside_project")


def a_folder(rng: random.Random, source: Source) -> Cited:
    folders = [file.rpartition("/")[0] for file in source.files if "/" in file]
    return Cited(rng.choice(folders), 1, 1, _made_up(rng), "file_missing")


def in_another_case(rng: random.Random, source: Source) -> Cited:
    whole = truths.one_line(rng, source)
    return replace(whole, file=whole.file.swapcase(), expected="file_missing")


def a_name_that_looks_alike(rng: random.Random, source: Source) -> Cited:
    while True:
        whole = truths.one_line(rng, source)
        file = whole.file.translate(LOOKALIKES)
        if file != whole.file:
            return replace(whole, file=file, expected="file_missing")


def empty(rng: random.Random, source: Source) -> Cited:
    return replace(truths.one_line(rng, source), quote="", expected="quote_mismatch")


def blank(rng: random.Random, source: Source) -> Cited:
    quote = rng.choice([" ", "\n\n", " \t\n  "])
    return replace(truths.one_line(rng, source), quote=quote, expected="quote_mismatch")


def of_the_past(_rng: random.Random, _source: Source) -> Cited:
    return Cited("README.md", 3, 3, PAST_LINE, "quote_mismatch")


def a_file_of_the_past(_rng: random.Random, _source: Source) -> Cited:
    return Cited(PAST_FILE, 1, None, PAST_LINE, "file_missing")


def one_letter_off(rng: random.Random, source: Source) -> Cited:
    return _altered(rng, source, lambda text: _replaced(rng, text))


def letters_that_look_alike(rng: random.Random, source: Source) -> Cited:
    return _altered(rng, source, lambda text: text.translate(LOOKALIKES))


def an_invisible_letter(rng: random.Random, source: Source) -> Cited:
    return _altered(
        rng, source, lambda text: f"{text[: len(text) // 2]}\u200b{text[len(text) // 2 :]}"
    )


def left_out_in_the_middle(rng: random.Random, source: Source) -> Cited:
    return _altered(rng, source, lambda text: f"{text[:5]}...{text[-5:]}")


def with_its_line_number(rng: random.Random, source: Source) -> Cited:
    return _altered(rng, source, lambda text: f"{rng.randint(1, 99)}: {text}")


def with_the_mark_of_a_diff(rng: random.Random, source: Source) -> Cited:
    return _altered(rng, source, lambda text: f"+{text}")


def words_run_together(rng: random.Random, source: Source) -> Cited:
    """Blanks may differ in number; where there is one, there must be one."""
    while True:
        whole = truths.one_line(rng, source)
        text = squeezed(whole.quote)
        joined = text.replace(" ", "")
        lines = [squeezed(line) for line in source.lines(whole.file)]
        if joined != text and not any(joined in line for line in lines):
            return replace(whole, quote=joined, expected="quote_mismatch")


def lines_from_two_places(rng: random.Random, source: Source) -> Cited:
    while True:
        file = source.readable(rng)
        first, last = sorted(rng.sample(source.telling(file), 2))
        quote = f"{source.line(file, last)}\n{source.line(file, first)}"
        if not source.holds(file, quote):
            return Cited(file, first, last, quote, "quote_mismatch")


def _altered(rng: random.Random, source: Source, alter: Callable[[str], str]) -> Cited:
    while True:
        whole = truths.one_line(rng, source)
        quote = alter(whole.quote.strip())
        if not source.holds(whole.file, quote):
            return replace(whole, quote=quote, expected="quote_mismatch")


def _replaced(rng: random.Random, text: str) -> str:
    at = rng.choice([n for n, letter in enumerate(text) if not letter.isspace()])
    other = rng.choice([letter for letter in "abcxyz019_" if letter != text[at]])
    return f"{text[:at]}{other}{text[at + 1 :]}"


INVENTED: Mapping[str, Making] = {
    made.__name__: made
    for made in (
        no_such_file, no_such_quote, no_such_line, nothing_in_reverse, too_short_elsewhere,
        of_another_file, above_the_project, elsewhere_on_the_machine, through_an_outer_link,
        up_and_down, in_gits_own_folder, a_folder, in_another_case, a_name_that_looks_alike,
        empty, blank, of_the_past, a_file_of_the_past, one_letter_off, letters_that_look_alike,
        an_invisible_letter, left_out_in_the_middle, with_its_line_number,
        with_the_mark_of_a_diff, words_run_together, lines_from_two_places,
    )
}  # fmt: skip
