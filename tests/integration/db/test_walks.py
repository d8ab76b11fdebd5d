"""Random walks of runs of every kind of step: rows say what the log says, at every step of the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest

from fixtures.by_hand import INPUT, a_new_run
from fixtures.databases import Database
from flowrunner.db.apply import apply
from flowrunner.db.changes import Change
from flowrunner.db.launch import NewRun, launch
from flowrunner.db.pool import Conn
from flowrunner.db.queue import claim
from flowrunner.db.runs import load_run
from flowrunner.db.workers import WorkerRow, register
from integration.db.lists import differences
from integration.db.walks import IDLE, QUEUES, UNHELD, Told, walked
from unit.laws.world import World

pytestmark = pytest.mark.anyio

TURNS = 60
QUEUED = "SELECT step_no, attempt, coalesce(epoch, 0) FROM task_queue"
TIMERS = "SELECT kind, step_no, token FROM flow_timers"


@dataclass
class Rows:
    """The store that is shown: the program's own statements."""

    conn: Conn
    database: Database
    worker: UUID = field(default_factory=uuid4)
    run: NewRun | None = None
    count: int = 0

    @property
    def new(self) -> NewRun:
        assert self.run is not None
        return self.run

    async def launch(self, told: Told) -> None:
        self.run = await a_new_run(self.conn, told.before.graph)
        row = WorkerRow(self.worker, "walker", "here", 1, (*QUEUES, IDLE), 100, "t")
        await register(self.conn, row, 600)
        bodies = {self.new.input_ref: INPUT}
        await launch(self.conn, self.new, told.after, told.decision, bodies=bodies)

    async def commit(self, told: Told) -> str:
        return (await apply(self.conn, [self.change(told)]))[self.new.run_id].verdict

    def change(self, told: Told) -> Change:
        context = self.new.context
        return Change(self.new.run_id, told.before, told.after, told.decision, context, told.bodies)

    async def claim(self, queues: Sequence[str]) -> dict[int, int]:
        tasks = await claim(self.conn, self.worker, queues, 100)
        return {task.step_no: task.epoch for task in tasks}

    async def compare(self, world: World) -> None:
        """The run, its steps, leases and timers are what the world has."""
        loaded = await load_run(self.conn, self.new.run_id)
        assert loaded is not None
        assert differences(loaded.state, world.state) == []
        queued = await (await self.conn.execute(QUEUED)).fetchall()
        assert {n: (attempt, epoch) for n, attempt, epoch in queued} == world.leases
        timers = await (await self.conn.execute(TIMERS)).fetchall()
        assert {(kind, n): token for kind, n, token in timers} == world.timers
        self.count += 1
        if self.count % 25 == 0:
            assert await self.database.violations() == []


@pytest.mark.parametrize("seed", range(60))
async def test_rows_follow_every_decision(database: Database, seed: int) -> None:
    """P2, P6, P7, I5, F22: whatever happens to a run, the database answers each commit as leases
    and timers make it; after it the rows load as the state that was folded, with just the leases and
    timers that it has; and the run can be brought to its end.
    """
    async with await database.connect() as conn:
        walk = await walked(Rows(conn, database), seed, TURNS)

    assert walk.verdicts["ok"] > 0
    assert UNHELD not in {epoch for _attempt, epoch in walk.leases.values()}
