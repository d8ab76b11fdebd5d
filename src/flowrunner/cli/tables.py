"""Tables for people: aligned, and on a terminal never wider than it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from flowrunner.cli.text import cells, clean, fit

Cells = Mapping[str, str]

_GAP = 2


@dataclass(frozen=True, slots=True)
class Columns:
    """*headings* by key; the last column takes what room is left, and is cut.

    *numbers* stand at the right, *optional* ones of which no row has anything are left out. Of
    *expendable* ones the first go first, until the last column has *readable* cells.
    """

    headings: Mapping[str, str]
    numbers: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    expendable: tuple[str, ...] = ()
    readable: int = 20

    def lines(self, rows: Iterable[Cells], width: int | None = None) -> list[str]:
        """The heading and a line per row."""
        shown = [{key: clean(row.get(key, "")) for key in self.headings} for row in rows]
        empty = {key for key in self.optional if not any(row[key] for row in shown)}
        headings = {key: text for key, text in self.headings.items() if key not in empty}
        lines = [headings, *shown]
        widths = {key: max(cells(line[key]) for line in lines) for key in headings}
        if width is not None:
            widths = self._narrowed(widths, width)
        told = [self._line(line, widths) for line in lines]
        return told if width is None else [fit(line, width) for line in told]

    def _narrowed(self, widths: Mapping[str, int], width: int) -> dict[str, int]:
        kept = dict(widths)
        for key in self.expendable:
            *fixed, last = kept.values()
            if sum(fixed) + _GAP * len(fixed) + min(last, self.readable) <= width:
                break
            kept.pop(key, None)
        return kept

    def _line(self, line: Cells, widths: Mapping[str, int]) -> str:
        blanks = {key: " " * (width - cells(line[key])) for key, width in widths.items()}
        told = (
            blanks[key] + line[key] if key in self.numbers else line[key] + blanks[key]
            for key in widths
        )
        return (" " * _GAP).join(told).rstrip()


def table(rows: Sequence[Cells] | Iterable[Cells], headings: Cells) -> list[str]:
    """Align *rows* under *headings* (by key), however long they are."""
    return Columns(headings).lines(rows)
