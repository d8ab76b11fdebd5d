"""A worker: the real keeper of leases around agents that answer well, badly, late, twice or never."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Literal, Protocol, TypeAlias

from flowrunner.core.errors import UnavailableError
from flowrunner.db.queue import ClaimedTask
from flowrunner.dispatch.delivery import Delivery, deliver
from flowrunner.dispatch.ports import Receipt, Task
from flowrunner.dispatch.sql import SqlTasks
from flowrunner.leases.keeper import LeaseKeeper
from flowrunner.leases.ports import LossReason
from flowrunner.wire.tasks import Chunk, TaskError, TaskReport, Usage
from simulation.database import Wire
from simulation.leases import leases_of
from simulation.loop import Process, passed
from simulation.network import call
from simulation.plans import Fault
from simulation.replica import TIMES, Replica
from simulation.tables import BEGAN
from simulation.world import CALL, LEASE, POLL, Paid, World

Door: TypeAlias = Literal["rest", "sql"]

DELIVERY = Delivery(call_seconds=CALL, first_seconds=0.1, most_seconds=1.0)
SLOTS = 2
QUOTA_SECONDS = 1.5


def agent_text(task_id: str, epoch: int) -> str:
    """What an agent answers: who said it."""
    return f"{task_id} under {epoch}"


class Port(Protocol):
    async def report(self, task: Task, report: TaskReport) -> Receipt: ...
    async def append(self, task: Task, chunks: Sequence[Chunk]) -> bool: ...


class RestTasks:
    """Results go to any replica that serves, through a network that loses calls and answers."""

    def __init__(
        self, world: World, process: Process, replicas: Callable[[], Sequence[Replica]]
    ) -> None:
        self._world = world
        self._process = process
        self._replicas = replicas

    async def report(self, task: Task, report: TaskReport) -> Receipt:
        replicas = self._replicas()
        if not replicas:
            raise UnavailableError("nobody serves")
        server = self._world.universe.chance.choice(replicas)
        reply = await call(
            self._world,
            self._process,
            server,
            lambda: server.tasks.report(task.task_id, report),
        )
        if reply.verdict == "accepted":
            paid = Paid(task.run_id, task.step_no, task.attempt, report.epoch)
            self._world.paid.append(paid)
        return "settled"

    async def append(self, task: Task, chunks: Sequence[Chunk]) -> bool:  # noqa: ARG002  # the protocol's shape
        return True


class Dispatcher:
    """Claims what there is room for, works on it, and reports through one door or the other."""

    def __init__(
        self,
        world: World,
        process: Process,
        door: Door,
        replicas: Callable[[], Sequence[Replica]],
    ) -> None:
        self.process = process
        self.is_serving = False
        self._world = world
        self._door: Door = door
        wire = Wire(world, process)
        self._ports: dict[Door, Port] = {
            "rest": RestTasks(world, process, replicas),
            "sql": SqlTasks(wire.pool),
        }
        self._leases = leases_of(wire, ("default",))
        self._keeper: LeaseKeeper[ClaimedTask] = LeaseKeeper(
            self._leases, TIMES, self._lost, clock=process.time
        )
        self._running: dict[int, asyncio.Task[None]] = {}
        self._woken = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self.process.enqueue_call(self._start)

    def _start(self) -> None:
        self.is_serving = True
        ready = asyncio.Event()
        self._loops = [
            self.process.create_task(self._keeper.run(ready), name="keeper"),
            self.process.create_task(self._claim_for_ever(ready), name="claims"),
        ]

    def stop(self) -> None:
        """SIGTERM: agents are stopped, what is held is handed back."""
        self.process.enqueue_call(lambda: self.process.create_task(self._stop()))

    async def _stop(self) -> None:
        self.is_serving = False
        for task in (*self._loops[1:], *self._running.values()):
            task.cancel()
        await passed(0.01)
        try:
            async with asyncio.timeout(LEASE):
                await self._keeper.close()
        except (UnavailableError, TimeoutError):
            pass
        self.process.universe.later(0, self.process.kill)

    def heard(self, channel: str, payload: str) -> None:
        if channel == "leases_lost":
            self._keeper.poke()
        elif channel == "tasks_new" and (not payload or "default" in payload.split(",")):
            self._woken.set()

    async def _claim_for_ever(self, ready: asyncio.Event) -> None:
        await ready.wait()
        while True:
            self._woken.clear()
            free = SLOTS - len(self._running)
            found = await self._claim(free) if free > 0 else 0
            if free > 0 and found == free:
                continue
            try:
                async with asyncio.timeout(POLL):
                    await self._woken.wait()
            except TimeoutError:
                pass

    async def _claim(self, free: int) -> int:
        try:
            tasks = await self._keeper.claim(free)
        except UnavailableError:
            return 0
        for task in tasks:
            self._running[task.epoch] = asyncio.create_task(self._serve(task))
        return len(tasks)

    def _lost(self, epochs: frozenset[int], _reason: LossReason) -> None:
        for epoch in epochs:
            if epoch in self._running:
                self._running[epoch].cancel()

    async def _serve(self, task: ClaimedTask) -> None:
        fault = self._world.fault("work")
        kind = "" if fault is None else fault.kind
        self._world.begun(task, self.process, is_stubborn=kind == "zombie")
        receipt: Receipt | None = None
        try:
            receipt = await self._work(task, kind, fault)
        except asyncio.CancelledError:
            receipt = "settled"
        finally:
            self._over(task, receipt)

    async def _work(self, task: ClaimedTask, kind: str, fault: Fault | None) -> Receipt | None:
        seconds = 0.0 if fault is None else fault.seconds
        if kind == "dies":
            self._world.universe.later(min(seconds, 0.5), self.process.kill)
        if kind == "returns":
            self._world.let_go(task)
        if kind in {"returns", "zombie"}:
            await self._return(task)
            if kind == "returns":
                return None
        await passed(self._pace(kind, seconds))
        doomed = _key(task) in self._world.plan.what.doomed
        report = report_of(task, kind, self._world.tables.now, is_doomed=doomed)
        if kind == "last_word":
            return await self._say_last(task, report, seconds)
        if kind == "twice":
            other: Door = "sql" if self._door == "rest" else "rest"
            await asyncio.gather(
                deliver(self._ports[other], task, report, DELIVERY),
                deliver(self._ports[self._door], task, report, DELIVERY),
            )
            return "left"
        receipt = await deliver(self._ports[self._door], task, report, DELIVERY)
        return "settled" if kind == "zombie" else receipt

    async def _say_last(
        self, task: ClaimedTask, report: TaskReport, seconds: float
    ) -> Receipt | None:
        """Report when nobody listens; then die, or let go of the lease as if nothing was said."""
        for process in self._world.universe.processes:
            if process.name.startswith("replica"):
                process.frozen_until = self._world.universe.now + LEASE + 1
        receipt = await deliver(self._ports["sql"], task, report, DELIVERY)
        if seconds > 1:
            self._world.universe.later(0.0, self.process.kill)
        elif (me := self._keeper.worker_id) is not None:
            with suppress(UnavailableError):
                await self._leases.release(me, [task.epoch])
        return receipt

    def _pace(self, kind: str, seconds: float) -> float:
        """How long the agent takes; who is marooned takes longer than its lease lasts."""
        world = self._world
        pace = world.universe.chance.random()
        if kind == "marooned":
            world.cut_until[self.process] = world.universe.now + 2 * LEASE
            return LEASE + 2.0
        return 0.01 + 0.2 * pace * pace + (seconds if kind in {"slow_work", "zombie"} else 0.0)

    async def _return(self, task: ClaimedTask) -> None:
        with suppress(UnavailableError):
            await self._keeper.release([task.epoch])

    def _over(self, task: ClaimedTask, receipt: Receipt | None) -> None:
        if receipt == "settled":
            self._keeper.settle(task.epoch)
        elif receipt == "left":
            self._keeper.retire(task.epoch)
        del self._running[task.epoch]
        self._world.let_go(task)
        self._woken.set()


def _key(task: ClaimedTask) -> str:
    return task.step_key.partition("[")[0]


def report_of(task: ClaimedTask, kind: str, now: float, *, is_doomed: bool) -> TaskReport:
    spent = Usage(input_tokens=3, output_tokens=2, cost_microusd=5)
    # A share of what passes: kinds of faults are chosen by numbers that many tests know.
    if kind == "flaky" and task.epoch % 2:
        error = TaskError(code="quota_exhausted", message="used up", failure_class="quota")
        until = BEGAN + timedelta(seconds=now + QUOTA_SECONDS)
        more = {"usage": spent, "provider": task.agent, "quota_until": until}
        return TaskReport.model_validate(
            {"epoch": task.epoch, "outcome": "failed", "error": error, **more}
        )
    if kind == "flaky" and task.epoch % 3 == 1:
        error = TaskError(code="answer_cut", message="it was cut", failure_class="contract")
        return TaskReport(epoch=task.epoch, outcome="failed", error=error, usage=spent)
    if kind in {"flaky", "fails"} or is_doomed:
        failure = "transient" if kind == "flaky" else "fatal"
        error = TaskError(code="agent_error", message="it gave up", failure_class=failure)
        return TaskReport(epoch=task.epoch, outcome="failed", error=error, usage=spent)
    if kind == "stopped":
        return TaskReport(epoch=task.epoch, outcome="cancelled", usage=spent)
    text = agent_text(task.task_id, task.epoch)
    return TaskReport(epoch=task.epoch, outcome="completed", output=text, usage=spent)
