"""Commits decisions: what arrives while a commit is in flight is the next batch."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import psycopg
import structlog

from flowrunner.core.errors import InvariantError, UnavailableError
from flowrunner.core.model import RunId
from flowrunner.db.apply import Applied, NotifyMode, apply
from flowrunner.db.changes import Change
from flowrunner.db.pool import AWAY, Pool, is_refusal
from flowrunner.db.queue import ClaimedTask
from flowrunner.db.room import Room
from flowrunner.leases.places import Seating

log = structlog.stdlib.get_logger()

MOST_PER_COMMIT = 200
STUCK_SECONDS = 5.0
"""A commit without an answer for so long has its lane to itself."""


class OutcomeUnknownError(UnavailableError):
    """The commit may or may not have happened: only the run's events can tell."""

    code = "outcome-unknown"


@dataclass(slots=True)
class _Waiting:
    change: Change
    answer: asyncio.Future[Applied] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Committer:
    """A few lanes, each one connection's worth of work; a run always uses the same lane.

    One more lane is for runs whose rows somebody locks, so that nobody else waits for that lock
    again, and for those who would wait behind a connection that has fallen silent.
    """

    name = "committer"

    def __init__(
        self,
        pool: Pool,
        notify: NotifyMode,
        lanes: int = 2,
        *,
        seating: Seating[ClaimedTask] | None = None,
        room: Room | None = None,
    ) -> None:
        self._pool = pool
        self._seating = seating or Seating()
        self._notify: NotifyMode = notify
        self._lanes: list[list[_Waiting]] = [[] for _ in range(lanes + 1)]
        self._wakes = [asyncio.Event() for _ in self._lanes]
        self._stuck: set[int] = set()
        self._aside: set[RunId] = set()
        self.commits = 0
        self._room = room or Room()

    async def commit(self, change: Change) -> Applied:
        """Commit one run's decision with whatever else is waiting.

        Raises OutcomeUnknownError when the answer was lost, InvariantError when the database
        refuses the decision itself.
        """
        lane = self._lane_of(change.run_id)
        waiting = _Waiting(change)
        self._lanes[lane].append(waiting)
        self._wakes[lane].set()
        return await waiting.answer

    async def run(self, ready: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            for lane in range(len(self._lanes)):
                group.create_task(self._serve(lane), name=f"committer-{lane}")
            ready.set()

    async def _serve(self, lane: int) -> None:
        while True:
            await self._wakes[lane].wait()
            queue = self._lanes[lane]
            batch, self._lanes[lane] = queue[:MOST_PER_COMMIT], queue[MOST_PER_COMMIT:]
            if not self._lanes[lane]:
                self._wakes[lane].clear()
            patience = asyncio.get_running_loop().call_later(STUCK_SECONDS, self._leave, lane)
            try:
                await self._commit(batch)
            finally:
                patience.cancel()
                self._stuck.discard(lane)
                for waiting in batch:
                    if not waiting.answer.done():
                        waiting.answer.set_exception(OutcomeUnknownError("the service stopped"))

    def _lane_of(self, run_id: RunId) -> int:
        apart = len(self._lanes) - 1
        lane = hash(run_id) % apart
        return apart if run_id in self._aside or lane in self._stuck else lane

    def _leave(self, lane: int) -> None:
        """Let whoever waits behind a commit without an answer go apart, now and from here on."""
        apart = len(self._lanes) - 1
        if lane == apart:
            return
        self._stuck.add(lane)
        self._lanes[apart] += self._lanes[lane]
        self._lanes[lane] = []
        self._wakes[lane].clear()
        if self._lanes[apart]:
            self._wakes[apart].set()

    async def _commit(self, batch: Sequence[_Waiting]) -> None:
        changes = [waiting.change for waiting in batch]
        try:
            with self._seating.reserve() as places:
                async with self._pool.connection() as conn:
                    verdicts = await apply(conn, changes, self._notify, places.take)
                # First the runs hear of it, then those who begin what was taken.
                _answer(batch, verdicts)
                places.fill(task for applied in verdicts.values() for task in applied.taken)
        except (*AWAY, psycopg.Error) as error:
            is_locked = isinstance(error, psycopg.errors.LockNotAvailable)
            if is_refusal(error) or (is_locked and len(batch) > 1):
                await self._isolate(batch, error)
                return
            if is_locked:
                self._aside.add(batch[0].change.run_id)
            # Includes the pool's time-out; a statement that never left is unknown as well: asking
            # costs one read, guessing costs a doubled or a lost step.
            log.warning("commit.unknown", runs=len(batch), error=str(error).strip())
            self._room.failed(error)
            for waiting in batch:
                waiting.answer.set_exception(OutcomeUnknownError(str(error).strip()))
        else:
            self.commits += 1
            self._room.written()
            self._aside.difference_update(change.run_id for change in changes)

    async def _isolate(self, batch: Sequence[_Waiting], error: Exception) -> None:
        """Nothing of the batch was written: find the one that is refused, or locked."""
        if len(batch) == 1:
            log.error(
                "commit.refused", run_id=str(batch[0].change.run_id), error=str(error).strip()
            )
            refusal = InvariantError(f"the database refused a decision: {error}")
            batch[0].answer.set_exception(refusal)
            return
        for waiting in batch:
            await self._commit([waiting])


def _answer(batch: Sequence[_Waiting], verdicts: dict[RunId, Applied]) -> None:
    for waiting in batch:
        waiting.answer.set_result(verdicts[waiting.change.run_id])
