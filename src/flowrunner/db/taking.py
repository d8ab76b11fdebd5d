"""Tasks that go to a worker in the statement that offers them, instead of waiting for a claim."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from flowrunner.core.graph import Limits
from flowrunner.core.model import Ref, RunId
from flowrunner.db.changes import Json
from flowrunner.db.queue import ClaimedTask

Take: TypeAlias = Callable[[str], UUID | None]
"""The worker that has room for one more task of this queue, if any."""


def nobody(_queue: str) -> UUID | None:
    """Leave every task to whoever claims it."""
    return None


@dataclass(frozen=True, slots=True)
class Given:
    """What was meant for workers, by run and step."""

    rows: Mapping[tuple[str, int], Json]
    bodies: Mapping[Ref, bytes]

    def taken(
        self, run_id: RunId, root: str, told: Sequence[Sequence[int]] | None
    ) -> tuple[ClaimedTask, ...]:
        """Read the statement's answer: step, attempt and epoch of each that its worker got."""
        return tuple(
            _claimed(self.rows[str(run_id), step], run_id, root, epoch, self.bodies)
            for step, _attempt, epoch in told or ()
        )


def give(rows: Sequence[Json], bodies: Mapping[Ref, bytes], take: Take) -> Given:
    """Ask *take* for each of *rows* whose prompt is at hand, and write in the row whom it names."""
    given: dict[tuple[str, int], Json] = {}
    for row in rows:
        if row["prompt"] is not None and row["prompt"] not in bodies:
            continue
        worker_id = take(row["queue"])
        if worker_id is not None:
            row["w"] = str(worker_id)
            given[row["run"], row["s"]] = row
    return Given(given, bodies)


def _claimed(
    row: Json, run_id: RunId, root: str, epoch: int, bodies: Mapping[Ref, bytes]
) -> ClaimedTask:
    return ClaimedTask(
        task_id=f"{run_id}.{row['s']}.{row['a']}",
        run_id=run_id,
        step_no=row["s"],
        attempt=row["a"],
        epoch=epoch,
        queue=row["queue"],
        step_key=row["key"],
        kind=row["kind"],
        project_root=root,
        agent=row["agent"],
        model=row["model"],
        persona=row["persona"],
        mode_id="plan",
        limits=Limits(row["total"], row["idle"]),
        input=None if row["prompt"] is None else bodies[row["prompt"]],
    )
