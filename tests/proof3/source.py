"""A project as a reviewer sees it: files and lines, read without any help of the product."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

_LINE_END = re.compile(r"\r\n|\r|\n")
LONGEST = 150
SHORT = 8
"""Fewer characters than this, blanks aside, are too few to be found at another place."""


def squeezed(text: str) -> str:
    return " ".join(text.split())


def weight(text: str) -> int:
    return len("".join(text.split()))


@dataclass(slots=True)
class Source:
    """*files* are those that one was asked to review; *root* is where they lie."""

    root: Path
    files: Sequence[str]
    _read: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    def lines(self, file: str) -> tuple[str, ...]:
        if file not in self._read:
            text = (self.root / file).read_bytes().decode("utf-8", "replace")
            self._read[file] = tuple(_LINE_END.split(text.removeprefix("\ufeff")))
        return self._read[file]

    def count(self, file: str) -> int:
        lines = self.lines(file)
        return len(lines) - (lines[-1] == "")

    def holds(self, file: str, quote: str) -> bool:
        """Whether the file has these characters in this order, whatever blanks are between."""
        return "".join(quote.split()) in "".join("".join(self.lines(file)).split())

    def readable(self, rng: random.Random) -> str:
        """A file with enough lines to quote from."""
        while True:
            file = rng.choice(self.files)
            if len(self.telling(file)) >= 6:
                return file

    def telling(self, file: str) -> list[int]:
        """The numbers of the lines that say enough to be quoted, and not too much."""
        lines = enumerate(self.lines(file), 1)
        return [n for n, line in lines if weight(line) >= SHORT + 4 and len(line) <= LONGEST]

    def line(self, file: str, number: int) -> str:
        return self.lines(file)[number - 1]
