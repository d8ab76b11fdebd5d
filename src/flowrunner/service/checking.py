"""Check a database: the invariants of every run, and that its log says what its rows say (P7)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import TypeAlias
from uuid import UUID

from flowrunner.core import events as ev
from flowrunner.core import meaning
from flowrunner.core.draft import Draft
from flowrunner.core.model import Opening, RunId, StepState, unstarted
from flowrunner.core.transitions import RUN, STEP
from flowrunner.db.events import list_events
from flowrunner.db.invariants import INVARIANTS, Broken, find_broken, list_run_ids
from flowrunner.db.pool import Conn
from flowrunner.db.runs import LoadedRun, load_run
from flowrunner.engine.views import RunView

Violation: TypeAlias = Broken

_RUNS_PER_PAGE = 100
_EVENTS_PER_PAGE = 1000
_MOST_DIFFERENCES = 5


async def check(conn: Conn) -> list[Violation]:
    """Everything that is wrong with the database behind *conn*; reads only.

    Safe while services work: every finding is from one snapshot. Memory is bounded by the largest
    run, not by how many there are.
    """
    found: list[Violation] = []
    for invariant in INVARIANTS:
        found += await find_broken(conn, invariant)
    after = RunId(UUID(int=0))
    while run_ids := await list_run_ids(conn, after, _RUNS_PER_PAGE):
        for run_id in run_ids:
            found += await check_run(conn, run_id)
        after = run_ids[-1]
    return found


async def check_run(conn: Conn, run_id: RunId) -> list[Violation]:
    """Fold the run's log from its first event and compare with its rows."""
    async with conn.transaction():
        await conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            loaded = await load_run(conn, run_id)
        except (KeyError, ValueError, TypeError) as error:
            return [Violation("I5", run_id, f"the run's rows cannot be read: {error!r}")]
        if loaded is None:
            return []
        replay = _Replay(loaded)
        while rows := await list_events(conn, run_id, after=replay.seq, limit=_EVENTS_PER_PAGE):
            for row in rows:
                try:
                    replay.take(row.seq, row.decoded())
                except (KeyError, ValueError, TypeError, IndexError) as error:
                    message = f"event {row.seq} ({row.type}) cannot be read: {error!r}"
                    return [*replay.found, Violation("I5", run_id, message)]
    return replay.finish()


class _Replay:
    """One run's log, event by event: each allowed after the one before (I1, I2, I6)."""

    def __init__(self, loaded: LoadedRun) -> None:
        self._loaded = loaded
        start = unstarted(loaded.state.graph)
        self._draft = Draft(start)
        self._view = RunView(loaded.meta, start, {}, {}, {})
        self.seq = 0
        self.found: list[Violation] = []

    def take(self, seq: int, event: ev.Event) -> None:
        status = self._draft.run.status
        before = self._draft.step(event.step) if isinstance(event, ev.StepEvent) else None
        meaning.apply(self._draft, event)
        self._view = self._view.committed(self._view.state, (event,))
        self.seq = seq
        if isinstance(event, ev.StepEvent) and before is not None:
            after = self._draft.step(event.step)
            self.found += (
                Violation(code, self._loaded.meta.run_id, f"event {seq}: step {event.step} {told}")
                for code, told in _complaints(event, before, after)
            )
        run = self._draft.run.status
        is_over = status.is_terminal and not isinstance(event, ev.RunRetried | ev.RunRendered)
        if is_over or (run is not status and run not in RUN[status]):
            self._complain("I6", f"event {seq}: the run was {status} already")

    def finish(self) -> list[Violation]:
        rows, view, folded = self._loaded, self._view, self._draft.freeze()
        for part in fields(folded):
            said, stored = getattr(folded, part.name), getattr(rows.state, part.name)
            if part.name != "steps" and said != stored:
                self._complain("I5", f"{part.name}: the log says {said!r}, the row {stored!r}")
        steps = enumerate(zip(folded.steps, rows.state.steps, strict=False))
        sizes = (len(folded.steps), len(rows.state.steps))
        wrong = (
            [] if sizes[0] == sizes[1] else [f"steps: the log says {sizes[0]}, the rows {sizes[1]}"]
        )
        wrong += [
            f"step {n}: the log says {said}, the row {row}"
            for n, (said, row) in steps
            if said != row
        ]
        pairs = (
            ("outputs", view.outputs, rows.outputs),
            ("errors", view.errors, rows.errors),
            ("reasons", view.reasons, rows.reasons),
        )
        wrong += [
            f"{name}: the log says {said!r}, the rows {stored!r}"
            for name, said, stored in pairs
            if said != stored
        ]
        for message in wrong[:_MOST_DIFFERENCES]:
            self._complain("I5", message)
        if len(wrong) > _MOST_DIFFERENCES:
            self._complain("I5", f"and {len(wrong) - _MOST_DIFFERENCES} more differences")
        return self.found

    def _complain(self, code: str, message: str) -> None:
        self.found.append(Violation(code, self._loaded.meta.run_id, message))


def _complaints(
    event: ev.StepEvent, before: StepState, after: StepState
) -> Iterator[tuple[str, str]]:
    if not _may_become(event, before, after):
        yield "I1", f"went from {before.status} to {after.status}"
    match event:
        case ev.StepDispatched(attempt=attempt):
            if attempt != before.attempt + 1:
                yield "I2", f"was dispatched as attempt {attempt} after {before.attempt}"
            if before.opening is not Opening.OPEN:
                yield "I5", f"was dispatched while {before.waiting} of its needs had not ended"
        case ev.StepRetrying() | ev.StepCompleted() | ev.StepFailed():
            if event.attempt != before.attempt:
                yield "I2", f"ended as attempt {event.attempt} while {before.attempt} was current"
        case _:
            pass


def _may_become(event: ev.StepEvent, before: StepState, after: StepState) -> bool:
    """An end is final: what begins anew is the run's event, not the step's."""
    if before.status.is_terminal:
        return False
    # These speak of a step that goes on as it was.
    goes_on = isinstance(
        event,
        ev.StepDue
        | ev.StepExpanded
        | ev.StepIterated
        | ev.CallRequested
        | ev.ApprovalReminded
        | ev.ApprovalDecided,
    )
    return after.status in STEP[before.status] or (goes_on and after.status is before.status)
