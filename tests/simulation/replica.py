"""One replica of the service: the engine's own parts, wired as `bootstrap` wires them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import cast

from flowrunner.core.graph import CODE_QUEUE
from flowrunner.core.model import Ref
from flowrunner.db.notifier import Notifier
from flowrunner.db.payloads import list_payloads
from flowrunner.db.pool import Pool
from flowrunner.db.queue import ClaimedTask
from flowrunner.engine import signals as channels
from flowrunner.engine.alarms import Alarms
from flowrunner.engine.bodies import Bodies
from flowrunner.engine.brake import Brake
from flowrunner.engine.committer import Committer
from flowrunner.engine.inbox import Inbox
from flowrunner.engine.launching import Launcher
from flowrunner.engine.lifecycle import Service
from flowrunner.engine.reaper import Reaper
from flowrunner.engine.residents import Residents
from flowrunner.engine.rounds import Rounds
from flowrunner.engine.signals import Signals
from flowrunner.leases.keeper import LeaseKeeper
from flowrunner.leases.places import Seating
from flowrunner.leases.rules import LeaseTimes
from flowrunner.service.tasks import TaskService
from simulation.author import Author
from simulation.code import CodeAuthor
from simulation.database import Wire
from simulation.leases import leases_of
from simulation.loop import Process
from simulation.network import Postman, Server
from simulation.world import CALL, GRACE, LEASE, MARGIN, PATIENCE, POLL, REAP, RENEW, World

TIMES = LeaseTimes(
    lease_seconds=LEASE, renew_seconds=RENEW, margin_seconds=MARGIN, call_seconds=CALL
)


class Replica:
    """Built anew whenever its process starts; what it knew before is gone."""

    def __init__(
        self, world: World, process: Process, listeners: Callable[[], Sequence[Server]]
    ) -> None:
        self.process = process
        self.is_serving = False
        self._world = world
        pool = Wire(world, process).pool
        postman = cast("Notifier", Postman(world, process, listeners))
        self._signals = Signals(postman, "coalesced")
        evaluator = Author(world).evaluator
        bodies = Bodies(partial(_payloads, pool))
        self._seating: Seating[ClaimedTask] = Seating()
        committer = Committer(pool, "coalesced", 2, seating=self._seating)
        self.residents = Residents(pool, committer, evaluator, bodies, self._signals)
        self.launcher = Launcher(
            pool, evaluator, bodies, self.residents, self._signals, seating=self._seating
        )
        self.tasks = TaskService(pool, self.residents)
        self._signals.on_events.append(self.residents.waiters.heard)
        rounds = self._rounds(pool)
        self._inbox = rounds[-1]
        loops: tuple[Service, ...] = (committer, self.residents)
        self._loops: tuple[Service, ...] = (*loops, *self._code(), *rounds)
        self._running: list[asyncio.Task[None]] = []

    def _code(self) -> tuple[Service, ...]:
        """What runs code steps; left out where a flow has none, for it costs as much as the rest."""
        if not self._world.plan.what.has_code:
            return ()
        code = CodeAuthor(self._world, self.residents, slots=4, poll_seconds=POLL)
        leases = leases_of(Wire(self._world, self.process), (CODE_QUEUE,))
        keeper = LeaseKeeper(leases, TIMES, code.lost, clock=self.process.time)
        code.attach(keeper)
        self._seating.add(code.places)
        self._signals.on_tasks.append(code.wake)
        self._signals.on_leases.append(keeper.poke)
        return (keeper, code)

    def _rounds(self, pool: Pool) -> tuple[Rounds, ...]:
        reaper = Reaper(
            pool,
            self.residents,
            lease_seconds=LEASE,
            grace_seconds=GRACE,
            patience_seconds=PATIENCE,
            brake=Brake(
                grace_seconds=GRACE, gap_seconds=max(LEASE / 2, REAP * 3), clock=self.process.time
            ),
        )
        alarms = Alarms(pool, self.residents)
        wakes = Rounds("alarms", alarms.look, lambda: alarms.pause_seconds)
        self._signals.on_timers.append(wakes.wake)
        return (
            Rounds("reaper", reaper.look, lambda: REAP),
            wakes,
            Rounds("inbox", Inbox(pool, self.residents).look, lambda: POLL),
        )

    def start(self) -> None:
        self.process.enqueue_call(self._start)

    def _start(self) -> None:
        self.is_serving = True
        for loop in self._loops:
            running = self.process.create_task(loop.run(asyncio.Event()), name=loop.name)
            running.add_done_callback(partial(self._ended, loop.name))
            self._running.append(running)

    def stop(self) -> None:
        """SIGTERM: the loops are cancelled in reverse order, as `run_services` does."""
        self.process.enqueue_call(lambda: self.process.create_task(self._stop()))

    async def _stop(self) -> None:
        self.is_serving = False
        for running in reversed(self._running):
            running.cancel()
            await asyncio.wait([running])
        self.process.universe.later(0, self.process.kill)

    def heard(self, channel: str, payload: str) -> None:
        """As `bootstrap` wires the engine's ears."""
        match channel:
            case channels.TASKS:
                self._signals.heard_tasks(frozenset(payload.split(",") if payload else ()))
            case channels.LEASES:
                self._signals.heard_leases()
            case channels.EVENTS:
                self._signals.heard_events(channels.run_ids(payload))
            case _:
                self._inbox.wake()

    def _ended(self, name: str, task: asyncio.Task[None]) -> None:
        if self.is_serving and not self.process.is_dead:
            error = None if task.cancelled() else task.exception()
            self._world.complain(f"{name} of {self.process.name} ended by itself: {error!r}")


async def _payloads(pool: Pool, refs: Sequence[Ref]) -> Mapping[Ref, bytes]:
    async with pool.connection() as conn:
        return await list_payloads(conn, refs)
