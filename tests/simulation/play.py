"""Play one schedule: start everybody, let things go wrong, heal, wait for the end, judge."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from simulation import laws
from simulation.dispatcher import Dispatcher
from simulation.loop import Process
from simulation.network import Postman
from simulation.people import People
from simulation.plans import Fault, Plan
from simulation.quiet import quiet
from simulation.replica import Replica
from simulation.world import LEASE, Asked, World

HEAL = 6.0
"""When everything that goes wrong has gone wrong."""
CALM = 0.5
"""How long after the last of those who are late is listened on."""
MOST = 150.0
"""How long after that runs may take to end: several leases, retries, deadlines and patience."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was found wrong, and what happened, for those who look closer."""

    complaints: tuple[str, ...]
    trace: tuple[str, ...]
    ends: tuple[str, ...]
    completed_steps: int
    seconds: float

    @property
    def is_good(self) -> bool:
        return not self.complaints


class Play:
    """The cast of one schedule."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.world = World(plan)
        self.world.tables.graphs[1] = plan.what.stored
        universe = self.world.universe
        self._replicas: list[Replica] = []
        self._workers: list[Dispatcher] = []
        self._fates: dict[tuple[str, int], list[Fault]] = {}
        self.people = People(self.world, universe.process("people"), self._serving)
        self.world.publish = Postman(self.world, None, self._listeners).hint

    def begin(self) -> None:
        for fault in self._plan.faults:
            self._fates.setdefault((fault.group, fault.who), []).append(fault)
        for number in range(self._plan.replicas):
            self._replicas.append(self._a_replica(number))
        for number in range(self._plan.workers):
            self._workers.append(self._a_worker(number))
        for fault in self._plan.faults:
            if fault.group == "clock":
                self.world.universe.later(fault.at * 0.5, partial(self._befall_all, fault))
        self.people.start()

    def _a_replica(self, number: int) -> Replica:
        process = self.world.universe.process(f"replica {number}")
        made = Replica(self.world, process, self._listeners)
        process.on_death(lambda: self._died("replica", number))
        self._doom(process, "replica", number, made.stop)
        made.start()
        return made

    def _a_worker(self, number: int) -> Dispatcher:
        process = self.world.universe.process(f"worker {number}")
        door = "rest" if (number + self._plan.seed) % 2 else "sql"
        made = Dispatcher(self.world, process, door, self._serving)
        process.on_death(lambda: self._died("worker", number))
        self._doom(process, "worker", number, made.stop)
        made.start()
        return made

    def _doom(self, process: Process, group: str, number: int, stop: Callable[[], None]) -> None:
        """Say what befalls the process next, if anything does."""
        fates = self._fates.get((group, number))
        if not fates or self.world.is_healed:
            return
        fault = fates.pop(0)

        def happen() -> None:
            self.world.note(f"{process.name}: {fault.kind} {fault.seconds}")
            match fault.kind:
                case "crash":
                    process.kill()
                case "stop":
                    stop()
                case "cut":
                    self.world.cut_until[process] = self.world.universe.now + fault.seconds
                case _:
                    process.frozen_until = self.world.universe.now + fault.seconds
            if fault.kind != "crash":
                self._doom(process, group, number, stop)

        process.fate = (process.turns + fault.at, happen)

    def _died(self, group: str, number: int) -> None:
        universe = self.world.universe
        if self._is_over:
            return
        again = 0.2 + universe.chance.random() * 2
        universe.later(again, lambda: self._return(group, number))

    _is_over = False

    def _return(self, group: str, number: int) -> None:
        if group == "replica":
            self._replicas[number] = self._a_replica(number)
        else:
            self._workers[number] = self._a_worker(number)

    def _befall_all(self, fault: Fault) -> None:
        world = self.world
        if world.is_healed:
            return
        world.note(f"all: {fault.kind} {fault.seconds}")
        until = world.universe.now + fault.seconds
        if fault.kind == "silence":
            world.silent_until = until
        else:
            world.away_until = world.tables.started_at = until

    def heal(self) -> None:
        """From now on nothing goes wrong any more; what is frozen thaws in its own time."""
        world = self.world
        world.is_healed = True
        world.note("healed")
        world.silent_until = -1.0
        world.cut_until.clear()
        for process in world.universe.processes:
            process.fate = None
        self.people.settle()

    def is_done(self) -> bool:
        """Whether everybody has what they wanted: runs ended, the inbox read."""
        tables = self.world.tables
        if tables.live or not self.people.is_done:
            return False
        return all(row.verdict for row in tables.results)

    def is_calm(self) -> bool:
        """Whether nobody is still on the way who could say something late."""
        world = self.world
        now = world.universe.now
        if world.belated or any(p.frozen_until > now for p in world.universe.processes):
            return False
        return not any(w for by in world.at_work.values() for w in by if not w.process.is_dead)

    def end(self) -> None:
        self._is_over = True
        self.world.universe.end()

    def _serving(self) -> Sequence[Replica]:
        return [r for r in self._replicas if r.is_serving and not r.process.is_dead]

    def _listeners(self) -> Sequence[Replica | Dispatcher]:
        return (*self._replicas, *self._workers)


def play(plan: Plan, asked: list[Asked] | None = None) -> Outcome:
    """Play *plan* and judge it; the same plan gives the same outcome.

    Into *asked* goes what the database was asked, in that order, and what it said.
    """
    before = random.getstate()
    random.seed(plan.seed)
    try:
        with quiet() as errors:
            return _played(plan, errors, asked)
    finally:
        random.setstate(before)


def record(plan: Plan) -> Sequence[Asked]:
    """What the database is asked while *plan* is played."""
    asked: list[Asked] = []
    play(plan, asked)
    return asked


def _played(plan: Plan, errors: Sequence[str], asked: list[Asked] | None) -> Outcome:
    played = Play(plan)
    played.world.record = asked
    world, universe = played.world, played.world.universe
    try:
        played.begin()
        if plan.faults:
            universe.run(played.is_done, HEAL)
        played.heal()
        if not universe.run(played.is_done, universe.now + MOST):
            world.complain("P4: it stands still: " + laws.standing(world))
        if any(fault.kind in _LINGERING for fault in plan.faults):
            universe.run(played.is_calm, universe.now + 2 * LEASE)
            universe.run(lambda: False, universe.now + CALM)
        laws.judge(world, played.people.runs)
        for process in universe.processes:
            world.complaints += process.complaints
        world.complaints += errors
    finally:
        played.end()
    return _outcome(world)


_LINGERING = frozenset({"zombie", "slow_work", "freeze", "belated", "marooned"})
"""After these something may still come, long after everything has ended."""


def _outcome(world: World) -> Outcome:
    lines = world.tables.runs.values()
    done = sum(name == "step.completed" for line in lines for _, name, _, _ in line.events)
    ends = tuple(line.status for line in lines)
    return Outcome(tuple(world.complaints), tuple(world.trace), ends, done, world.universe.now)
