"""What all parts of one schedule share: time, tables, what goes wrong, and what was noticed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import UUID

from flowrunner.db.queue import ClaimedTask
from simulation.loop import Process, Universe
from simulation.plans import Fault, Plan
from simulation.tables import Json, Tables, TaskKey

LEASE, RENEW, MARGIN, CALL = 4.0, 1.0, 1.5, 1.0
Asked: TypeAlias = tuple[float, float, str, Json, Sequence[Any]]
"""When, since when the server is up, which statement, with what, and its answer."""

REAP, POLL, PATIENCE, GRACE = 2.0, 2.0, 5.0, 1.0
"""Seconds: as the defaults are to each other, but shorter."""


@dataclass(frozen=True, slots=True)
class Paid:
    """A result of which its worker was told that it was accepted."""

    run: UUID
    step: int
    attempt: int
    epoch: int


@dataclass(frozen=True, slots=True)
class AtWork:
    """Somebody works on a task; *is_stubborn* workers do so without a lease, and know it."""

    process: Process
    epoch: int
    is_stubborn: bool


class World:
    """One schedule while it is played."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.universe = Universe(plan.seed)
        self.tables = Tables()
        self.counts: Counter[str] = Counter()
        self.complaints: list[str] = []
        self.trace: list[str] = []
        self.paid: list[Paid] = []
        self.acknowledged: list[tuple[UUID, str, str]] = []
        """Run, the event that was promised, and who asked for it."""
        self.at_work: defaultdict[TaskKey, set[AtWork]] = defaultdict(set)
        self.away_until = -1.0
        self.silent_until = -1.0
        self.cut_until: dict[Process, float] = {}
        """Who cannot reach the database, and until when."""
        self.record: list[Asked] | None = None
        self.is_healed = False
        self.belated = 0
        """Statements that their senders gave up, and that are still to be executed."""
        self.publish: Callable[[str, str], None] = lambda _channel, _payload: None
        self._faults: dict[tuple[str, int], Fault] = {}
        for fault in plan.faults:
            self._faults.setdefault((fault.group, fault.at), fault)

    @property
    def is_away(self) -> bool:
        """Whether the database is."""
        return self.universe.now < self.away_until and not self.is_healed

    def fault(self, group: str) -> Fault | None:
        """Count one more of *group*, and return what befalls it."""
        at = self.counts[group]
        self.counts[group] = at + 1
        fault = self._faults.get((group, at))
        if fault is None or self.is_healed:
            return None
        self.note(f"{group} {at}: {fault.kind} {fault.seconds}")
        return fault

    def is_cut(self, process: Process) -> bool:
        return self.universe.now < self.cut_until.get(process, -1.0)

    def begun(self, task: ClaimedTask, process: Process, *, is_stubborn: bool = False) -> None:
        """P2: nobody begins a task that somebody else still works on in good faith."""
        key = (task.run_id, task.step_no, task.attempt)
        for other in self._in_good_faith(key):
            self.complain(f"P2: {task.task_id} is worked on under {other.epoch} and {task.epoch}")
        self.at_work[key].add(AtWork(process, task.epoch, is_stubborn))
        self.note(f"{process.name} works on {task.step_key} #{task.attempt}/{task.epoch}")

    def let_go(self, task: ClaimedTask) -> None:
        """Nobody works on it under this lease any more."""
        at_work = self.at_work[task.run_id, task.step_no, task.attempt]
        for mine in [w for w in at_work if w.epoch == task.epoch]:
            at_work.discard(mine)

    def reaped(self, key: TaskKey, epoch: int) -> None:
        """P2: whoever loses a lease by its end has stopped by himself before it."""
        for worker in self._in_good_faith(key):
            if worker.epoch == epoch:
                self.complain(f"P2: the lease {epoch} ended while {worker.process.name} works")

    def _in_good_faith(self, key: TaskKey) -> list[AtWork]:
        return [
            w
            for w in self.at_work[key]
            if not w.is_stubborn
            and not w.process.is_dead
            and w.process.frozen_until <= self.universe.now
        ]

    def latency(self) -> float:
        """How long a message is on its way: mostly short, sometimes not."""
        chance = self.universe.chance.random()
        return chance * 0.004 if chance < 0.95 else (chance - 0.949) * 1.5

    def note(self, told: str) -> None:
        self.trace.append(f"{self.universe.now:9.4f} {told}")

    def complain(self, told: str) -> None:
        self.note(f"!! {told}")
        self.complaints.append(told)
