"""A run's steps as its rows say: what is not stored follows from the graph and from each other."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flowrunner.core.children import call_child, list_child
from flowrunner.core.events import CallRequested
from flowrunner.core.generations import restored
from flowrunner.core.graph import Graph, StepSpec
from flowrunner.core.model import Family, Opening, Ref, StepState, StepStatus
from flowrunner.db.step_rows import read_family


@dataclass(frozen=True, slots=True)
class StepRow:
    """One row of flow_steps, as `LOAD_RUN` selects it."""

    number: int
    status: str
    attempt: int
    failures: int
    crashes: int
    delayed: bool
    epoch: int
    prompt: str | None
    output: str | None
    error: dict[str, Any] | None
    reason: str | None
    cascades: bool
    redos: int
    family: dict[str, Any] | None
    held_back: bool
    left_behind: bool
    key: str
    parent: int | None
    item: int | None
    persona: str | None
    call: dict[str, Any] | None


def restored_steps(graph: Graph, rows: Sequence[StepRow]) -> tuple[list[StepState], list[StepSpec]]:
    """The state of every step, and what those are that the graph does not know.

    Raises ValueError when rows are missing.
    """
    known = len(graph.steps)
    if [row.number for row in rows] != list(range(max(len(rows), known))):
        msg = f"{len(rows)} rows for a graph of {known} steps, or not in a row"
        raise ValueError(msg)
    specs = list(graph.steps)
    states = [_state(row) for row in rows]
    calls: defaultdict[int, list[tuple[str, int]]] = defaultdict(list)
    for row in rows[known:]:
        assert row.parent is not None  # noqa: S101  # flow_steps of a run that are not its graph's
        parent = specs[row.parent]
        specs.append(_child(parent, row))
        states[row.number] = _placed(states[row.number], row, states[row.parent].family)
        if parent.each is None and not row.left_behind:
            calls[row.parent].append((_name(parent, row), row.number))
    for number, made in calls.items():
        states[number] = states[number]._replace(family=_family(specs[number], made, states))
    return [*restored(graph, states[:known]), *states[known:]], specs[known:]


def _state(row: StepRow) -> StepState:
    return StepState(
        status=StepStatus(row.status),
        attempt=row.attempt,
        failures=row.failures,
        crashes=row.crashes,
        prompt=None if row.prompt is None else Ref(row.prompt),
        delayed=row.delayed,
        epoch=row.epoch,
        cascades=row.cascades,
        redos=row.redos,
        family=None if row.family is None else read_family(row.family),
    )


def _child(parent: StepSpec, row: StepRow) -> StepSpec:
    number, name = row.parent or 0, _name(parent, row)
    if row.item is not None:
        return list_child(parent, number, name, row.item)
    call: dict[str, Any] = row.call or {}
    asked = CallRequested(number, row.number, name, Ref(""), row.persona, **call)
    return call_child(parent, number, asked)


def _name(parent: StepSpec, row: StepRow) -> str:
    """What a child is called within its parent: its key is `parent[name]` or `parent/name`."""
    name = row.key[len(parent.key) + 1 :]
    return name if row.item is None else name[:-1]


def _placed(step: StepState, row: StepRow, family: Family | None) -> StepState:
    """Whether a child may begin: its parent lets one go by counting, without a word to its row."""
    is_held = row.held_back
    if step.status is StepStatus.PENDING and row.item is not None and family is not None:
        is_held = row.number - family.first >= family.released
    return step._replace(waiting=1) if is_held else step._replace(opening=Opening.OPEN)


def _family(
    parent: StepSpec, made: Sequence[tuple[str, int]], states: Sequence[StepState]
) -> Family:
    """The iterations of a loop, or the calls of a code step."""
    ends = Counter(states[number].status for _key, number in made)
    return Family(
        size=len(made),
        live=sum(count for status, count in ends.items() if not status.is_terminal),
        completed=ends[StepStatus.COMPLETED],
        failed=ends[StepStatus.FAILED],
        needed=0 if parent.repeat is None else len(made),
        calls=tuple(made),
    )
