"""Knots in a graph: sets of nodes that all reach each other, and the shortest way around."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

Arrows = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Knot:
    """*way* goes once around, and its first node is also its last."""

    nodes: tuple[str, ...]
    way: tuple[str, ...]


@dataclass(slots=True)
class _Search:
    index: dict[str, int] = field(default_factory=dict[str, int])
    low: dict[str, int] = field(default_factory=dict[str, int])
    path: list[str] = field(default_factory=list[str])
    on_path: set[str] = field(default_factory=set[str])
    found: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])


def arrows_of(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return targets by source, each once, sorted."""
    arrows: dict[str, set[str]] = {}
    for source, target in pairs:
        arrows.setdefault(source, set()).add(target)
        arrows.setdefault(target, set())
    return {source: sorted(targets) for source, targets in sorted(arrows.items())}


def find_knots(arrows: Arrows) -> tuple[Knot, ...]:
    """Return every knot of two nodes or more, the largest first."""
    search = _Search()
    for node in arrows:
        if node not in search.index:
            _search(node, arrows, search)
    knots = [Knot(nodes, _around(nodes, arrows)) for nodes in search.found if len(nodes) > 1]
    return tuple(sorted(knots, key=lambda knot: (-len(knot.nodes), knot.nodes)))


def _search(start: str, arrows: Arrows, search: _Search) -> None:
    """Tarjan's algorithm with a stack of its own: a chain may be longer than Python may call."""
    waiting = [(start, iter(arrows.get(start, ())))]
    _enter(start, search)
    while waiting:
        node, targets = waiting[-1]
        target = next(targets, None)
        if target is None:
            waiting.pop()
            _leave(node, search)
            if waiting:
                above = waiting[-1][0]
                search.low[above] = min(search.low[above], search.low[node])
        elif target not in search.index:
            _enter(target, search)
            waiting.append((target, iter(arrows.get(target, ()))))
        elif target in search.on_path:
            search.low[node] = min(search.low[node], search.index[target])


def _enter(node: str, search: _Search) -> None:
    search.index[node] = search.low[node] = len(search.index)
    search.path.append(node)
    search.on_path.add(node)


def _leave(node: str, search: _Search) -> None:
    if search.low[node] != search.index[node]:
        return
    at = search.path.index(node)
    nodes = search.path[at:]
    del search.path[at:]
    search.on_path.difference_update(nodes)
    search.found.append(tuple(sorted(nodes)))


def _around(nodes: Sequence[str], arrows: Arrows) -> tuple[str, ...]:
    """Return the shortest way from a node back to it, the first in the alphabet among equals."""
    inside = frozenset(nodes)
    best: tuple[str, ...] = ()
    for start in nodes:
        way = _back_to(start, inside, arrows)
        if not best or len(way) < len(best):
            best = way
        if len(best) == 3:  # noqa: PLR2004  # there and back: no way is shorter
            break
    return best


def _back_to(start: str, inside: frozenset[str], arrows: Arrows) -> tuple[str, ...]:
    came: dict[str, str] = {}
    waiting = deque([start])
    while waiting:
        node = waiting.popleft()
        for target in arrows.get(node, ()):
            if target == start:
                way = [start, node]
                while way[-1] != start:
                    way.append(came[way[-1]])
                return tuple(reversed(way))
            if target in inside and target not in came:
                came[target] = node
                waiting.append(target)
    return (start, start)
