"""Where the boxes of a graph stand: layers from left to right, edges around boxes, few crossings.

Pure and bounded: the same graph has the same picture, and one of MOST boxes is large enough.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

MOST = 300
_SWEEPS = 6


@dataclass(frozen=True, slots=True)
class Box:
    """One step: *note* is what it is beside its name, *stacked* that it is many.

    *state* is how it stands in a run, for a frame of that colour; a flow's own steps have none.
    """

    key: str
    note: str = ""
    needs: tuple[str, ...] = ()
    phase: str | None = None
    stacked: bool = False
    state: str = ""


@dataclass(frozen=True, slots=True)
class Spot:
    """The column and row of a box, or of a bend where an edge passes a column."""

    column: int
    row: int


@dataclass(frozen=True, slots=True)
class Layout:
    """*edges* are paths over spots, from need to dependent; *rows* of the fullest column."""

    boxes: tuple[Box, ...]
    spots: Mapping[str, Spot]
    edges: tuple[tuple[Spot, ...], ...]
    columns: int
    rows: int


def shortened(boxes: Sequence[Box], most: int = MOST) -> tuple[Box, ...]:
    """Return at most *most* boxes; the last one then says how many are not shown (P11)."""
    if len(boxes) <= most:
        return tuple(boxes)
    kept = boxes[: most - 1]
    more = Box("…", f"and {len(boxes) - len(kept)} more steps", (kept[-1].key,) if kept else ())
    return (*kept, more)


def layers_of(boxes: Sequence[Box]) -> dict[str, int]:
    """Return each box's column: one more than the farthest of its needs. There are no cycles."""
    column = {box.key: 0 for box in boxes}
    left = {box.key: sum(need in column for need in box.needs) for box in boxes}
    below: dict[str, list[str]] = {box.key: [] for box in boxes}
    for box in boxes:
        for need in box.needs:
            below.get(need, []).append(box.key)
    ready = [key for key, count in left.items() if not count]
    for key in ready:
        for dependent in below[key]:
            column[dependent] = max(column[dependent], column[key] + 1)
            left[dependent] -= 1
            if not left[dependent]:
                ready.append(dependent)
    return column


def lay_out(boxes: Sequence[Box]) -> Layout:
    """Place every box and every edge."""
    shown = shortened(boxes)
    column = layers_of(shown)
    chains = [
        _chain(need, box.key, column) for box in shown for need in box.needs if need in column
    ]
    layers = _layers(shown, chains, column)
    _order(layers, chains)
    spots = {
        name: Spot(at, row) for at, layer in enumerate(layers) for row, name in enumerate(layer)
    }
    return Layout(
        boxes=shown,
        spots={box.key: spots[box.key] for box in shown},
        edges=tuple(tuple(spots[name] for name in chain) for chain in chains),
        columns=len(layers),
        rows=max(map(len, layers), default=0),
    )


def _chain(need: str, key: str, column: Mapping[str, int]) -> tuple[str, ...]:
    """The names on the way of one edge: a bend in every column that it passes."""
    bends = (f"{need}\0{key}\0{at}" for at in range(column[need] + 1, column[key]))
    return (need, *bends, key)


def _layers(
    boxes: Sequence[Box], chains: Sequence[Sequence[str]], column: Mapping[str, int]
) -> list[list[str]]:
    layers: list[list[str]] = [[] for _ in range(max(column.values(), default=-1) + 1)]
    for box in boxes:
        layers[column[box.key]].append(box.key)
    for chain in chains:
        for at, name in enumerate(chain[1:-1], column[chain[0]] + 1):
            layers[at].append(name)
    return layers


def _order(layers: list[list[str]], chains: Sequence[Sequence[str]]) -> None:
    """Sort each layer by where its neighbours stand, to and fro; ties keep their order."""
    before: dict[str, list[str]] = {}
    after: dict[str, list[str]] = {}
    for chain in chains:
        for one, two in pairwise(chain):
            after.setdefault(one, []).append(two)
            before.setdefault(two, []).append(one)
    for sweep in range(_SWEEPS):
        forward = sweep % 2 == 0
        beside = before if forward else after
        for layer in layers if forward else reversed(layers):
            place = {name: float(at) for each in layers for at, name in enumerate(each)}
            means = {name: _mean(beside.get(name, ()), place, place[name]) for name in layer}
            layer.sort(key=means.__getitem__)


def _mean(names: Sequence[str], place: Mapping[str, float], default: float) -> float:
    return sum(place[name] for name in names) / len(names) if names else default
