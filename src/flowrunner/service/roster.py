"""Show events to people and programs: steps by number, key and label, the roster at the start."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from flowrunner.core.graph import Graph
from flowrunner.db.events import EventRow
from flowrunner.wire.events import Event, RosterStep

_STARTED = "run.started"
# Addresses of payloads mean nothing outside; what they hold has doors of its own.
_INTERNAL = frozenset(
    {
        "prompt",
        "output",
        "report",
        "excluded",
        "items",
        "request",
        "answer",
        "record",
        "partial",
    }
)


class Roster:
    """The steps of one run: of its pinned graph, and the children that came since.

    Events of a run are shown in order: those that make children tell what later ones are about.
    """

    def __init__(self, graph: Graph, children: Iterable[tuple[int, str]] = ()) -> None:
        self._graph = graph
        self._keys = dict(children)

    def show(self, row: EventRow) -> Event:
        """The event as the wire has it; `run.started` carries every step (R2-10, D2-09)."""
        shown = bare(row)
        if row.type == _STARTED:
            shown.data["steps"] = self._steps(row.body)
        key, label = self.named(row.step_no)
        self._meet(row, key)
        return shown.model_copy(update={"key": key, "label": label})

    def named(self, number: int | None) -> tuple[str | None, str | None]:
        """A step's key and label. A child is labelled as the step of the flow that it came from."""
        if number is None or number < 0:
            return None, None
        if number < len(self._graph.steps):
            return self._graph.steps[number].key, self._graph.steps[number].label
        key = self._keys.get(number)
        root = self._graph.numbers.get(re.split(r"[\[/]", key, maxsplit=1)[0]) if key else None
        return key, None if root is None else self._graph.steps[root].label

    def _meet(self, row: EventRow, parent: str | None) -> None:
        body = row.body
        match row.type:
            case "step.expanded":
                first: int = body["first"]
                members: list[str] = body["keys"]
                self._keys |= {first + n: f"{parent}[{key}]" for n, key in enumerate(members)}
            case "step.iterated":
                self._keys[body["child"]] = f"{parent}[{body['iteration']}]"
            case "call.requested":
                self._keys[body["child"]] = f"{parent}/{body['key']}"
            case _:
                pass

    def _steps(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        reasons: dict[int, str] = dict(body.get("excluded", ()))
        steps = self._graph.steps
        shown = (
            RosterStep(
                step_no=number,
                key=step.key,
                label=step.label,
                kind=step.kind.value,
                persona=step.persona,
                needs=tuple(steps[need].key for need in step.needs),
                phase=step.phase,
                excluded=reasons.get(number),
            )
            for number, step in enumerate(steps)
        )
        return [step.model_dump(mode="json") for step in shown]


def bare(row: EventRow) -> Event:
    """The event without what only the run's graph knows: key and label of its step."""
    data = {key: value for key, value in row.body.items() if key not in _INTERNAL}
    return Event(
        seq=row.seq,
        run_id=row.run_id,
        type=row.type,
        at=row.at,
        step_no=row.step_no,
        data=data,
    )
