"""Which of a run's steps are shown when there is not room for all of them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import nsmallest

from flowrunner.cli.board import Board
from flowrunner.cli.rows import Row

_FEW = 8
"""So many children are all listed; of more, those that tell something."""
_MOST = 12
_TELLING = frozenset({"failed", "waiting", "retrying", "running", "offered", "cancelled"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: a step, the head of a *phase*, or a count of *rows* that are not shown."""

    row: Row | None
    depth: int = 0
    phase: str = ""
    rows: tuple[Row, ...] = ()


def select(board: Board, room: int) -> list[Entry]:
    """Choose at most *room* lines in the flow's order: what matters most now stays."""
    ranked = _ranked(board, room)
    for has_phases in (True, False):
        count = _most_that_fit(board, ranked, room, has_phases=has_phases)
        if count == len(ranked) or not has_phases:
            return _entries(board, set(ranked[:count]), has_phases=has_phases)
    raise AssertionError


def _most_that_fit(board: Board, ranked: list[int], room: int, *, has_phases: bool) -> int:
    """How many of the first *ranked* fit; at least one is shown, whatever the room."""

    def lines(count: int) -> int:
        return len(_entries(board, set(ranked[:count]), has_phases=has_phases))

    return max(bisect_right(range(len(ranked) + 1), room, key=lines) - 1, min(1, len(ranked)))


def _ranked(board: Board, room: int) -> list[int]:
    """Number the steps that could be shown, the most telling first, parents before children.

    Where the flow's own steps take no more than half of the room, all of them stay: the failures of
    a long list must not hide what comes after it.
    """
    found: list[tuple[int, int, int]] = []
    is_short = 2 * len(board.tops) <= room

    def collect(row: Row, depth: int) -> int:
        ranks = [collect(child, depth + 1) for child in _candidates(board, row, room)]
        rank = min([row.rank, *ranks])
        found.append((-1 if is_short and depth == 0 else rank, depth, row.number))
        return rank

    for row in board.tops:
        collect(row, 0)
    return [number for _rank, _depth, number in sorted(found)]


def _candidates(board: Board, row: Row, room: int) -> list[Row]:
    below = board.below(row)
    if len(below) <= _FEW:
        return below
    telling = (child for child in below if child.status in _TELLING or child.children)
    return nsmallest(max(min(room, 4 * _MOST), _MOST), telling, key=lambda child: child.rank)


def _entries(board: Board, shown: set[int], *, has_phases: bool) -> list[Entry]:
    entries: list[Entry] = []
    phase = ""
    for row in board.tops:
        if has_phases and row.phase != phase:
            phase = row.phase
            rows = tuple(each for each in board.tops if each.phase == phase)
            entries += [Entry(None, phase=phase, rows=rows)] if phase else []
        if row.number in shown:
            entries += _subtree(board, row, shown, 0)
    left = tuple(row for row in board.tops if row.number not in shown)
    return entries + ([Entry(None, rows=left)] if left else [])


def _subtree(board: Board, row: Row, shown: set[int], depth: int) -> Iterator[Entry]:
    yield Entry(row, depth)
    below = board.below(row)
    inside = [child for child in below if child.number in shown]
    for child in inside:
        yield from _subtree(board, child, shown, depth + 1)
    if inside and len(inside) < len(below):
        left = tuple(child for child in below if child.number not in shown)
        yield Entry(None, depth + 1, rows=left)
