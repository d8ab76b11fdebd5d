"""Show events to people and programs: steps by number, key and label, the roster at the start."""

from __future__ import annotations

from typing import Any

from flowrunner.core.graph import Graph
from flowrunner.db.events import EventRow
from flowrunner.wire.events import Event, RosterStep

_STARTED = "run.started"
# Addresses of payloads mean nothing outside; what they hold has doors of its own.
_INTERNAL = frozenset({"prompt", "output", "report", "excluded"})


class Roster:
    """The steps of one run's pinned graph."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def show(self, row: EventRow) -> Event:
        """The event as the wire has it; `run.started` carries every step (R2-10, D2-09)."""
        data = {key: value for key, value in row.body.items() if key not in _INTERNAL}
        if row.type == _STARTED:
            data["steps"] = self._steps(row.body)
        number = row.step_no
        known = number is not None and 0 <= number < len(self._graph.steps)
        spec = self._graph.steps[number] if known and number is not None else None
        return Event(
            seq=row.seq,
            run_id=row.run_id,
            type=row.type,
            at=row.at,
            step_no=number,
            key=spec.key if spec else None,
            label=spec.label if spec else None,
            data=data,
        )

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
