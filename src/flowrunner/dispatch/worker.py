"""The dispatcher: claim what there is room for, run it, report it, and never more than it holds."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, TypeAlias

import structlog

from flowrunner.core.errors import (
    InvalidInputError,
    InvariantError,
    Problem,
    UnavailableError,
)
from flowrunner.core.graph import CODE_QUEUE
from flowrunner.dispatch.delivery import Delivery, deliver
from flowrunner.dispatch.execution import Execution
from flowrunner.dispatch.kit import Kit
from flowrunner.dispatch.outcome import CODES, refused
from flowrunner.dispatch.pauses import Pauses
from flowrunner.dispatch.polling import Polling, next_wait, varied
from flowrunner.dispatch.ports import Hints, Task, TaskPort
from flowrunner.dispatch.supervisor import PATIENCE_SHARE
from flowrunner.leases.keeper import LeaseKeeper
from flowrunner.leases.places import Places
from flowrunner.leases.ports import LeasePort, LossReason, Profile
from flowrunner.leases.rules import LeaseTimes
from flowrunner.wire.tasks import TaskError, TaskReport

log = structlog.stdlib.get_logger()

_BEAT_SECONDS, _BEAT_SHARE = 1.0, 0.2
_SLACK_SECONDS = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerTimes:
    lease: LeaseTimes = field(default_factory=LeaseTimes)
    polling: Polling = field(default_factory=Polling)
    delivery: Delivery = field(default_factory=Delivery)
    drain_seconds: float = 30.0
    leave_seconds: float = 5.0
    """How long leaving may take; results in an inbox are read meanwhile."""


Fate: TypeAlias = Literal["open", "settled", "left", "returned", "lost"]


@dataclass(slots=True, eq=False)
class _Serving:
    """One task here. While its fate is open its lease is held, whatever became of the work."""

    task: Task
    work: asyncio.Task[None] | None = None
    execution: Execution | None = None
    fate: Fate = "open"


class Worker:
    """Claims and runs tasks until cancelled, which kills; `drain` before it lets agents end."""

    name = "worker"

    def __init__(
        self,
        profile: Profile,
        leases: LeasePort[Task],
        port: TaskPort,
        kit: Kit,
        *,
        times: WorkerTimes | None = None,
        hints: Hints | None = None,
    ) -> None:
        self._times = times or WorkerTimes()
        check_worker(profile, self._times, kit)
        self._profile = profile
        self._port = port
        self._kit = kit
        self._hints = hints
        self._pauses = Pauses()
        self._keeper: LeaseKeeper[Task] = LeaseKeeper(
            leases, self._times.lease, self._lost, on_paused=self._pauses.told
        )
        self._running: dict[int, _Serving] = {}
        self.places: Places[Task] = Places(self._keeper, profile.queues, self._free, self._begin)
        self._work: asyncio.TaskGroup | None = None
        self._woken = asyncio.Event()
        self._announced = False
        self._draining = False
        self._chance = random.SystemRandom()

    def wake(self) -> None:
        """There may be new tasks: look now."""
        self._announced = True
        self.places.heard()
        self._woken.set()

    def poke(self) -> None:
        """Leases may have been withdrawn: ask now (P12)."""
        self._keeper.poke()

    async def run(self, ready: asyncio.Event) -> None:
        """Work until cancelled; *ready* once the first lease is held. Hands back what it held."""
        await asyncio.to_thread(self._kit.room.mkdir, 0o700, parents=True, exist_ok=True)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._keeper.run(ready), name="worker.leases")
                group.create_task(self._beat_for_ever(), name="worker.beat")
                if self._hints is not None:
                    group.create_task(self._hints(self.wake, self.poke), name="worker.hints")
                await ready.wait()
                self._work = group
                await self._claim_for_ever()
        finally:
            self.places.close()
            await self._leave()

    async def drain(self) -> None:
        """Claim nothing more, let agents end, stop those that take too long, hand leases back."""
        self._draining = True
        self.places.close()
        self._woken.set()
        log.info("worker.draining", running=len(self._running))
        await self._ended_within(self._times.drain_seconds)
        for serving in self._running.values():
            if serving.fate == "open":
                serving.fate = "returned"
            if serving.execution is not None:
                serving.execution.stop()
        await self._ended_within(self._kit.limits.grace_seconds + _SLACK_SECONDS)
        for serving in self._running.values():
            _cancel(serving)
        await self._ended_within(_SLACK_SECONDS)
        await self._return(self._keeper.held)

    async def _claim_for_ever(self) -> None:
        polling = self._times.polling
        wait = polling.least_seconds
        while True:
            self._woken.clear()
            announced, self._announced = self._announced, False
            asked = max(0, min(self._free() - self.places.reserved, polling.batch))
            found = await self._claim(asked) if asked else 0
            if asked and found == asked:
                self.places.looked(is_empty=False)
                continue
            if asked:
                self.places.looked(is_empty=not self._woken.is_set())
                wait = next_wait(wait, found, polling, announced=announced)
            looks = asked or self.places.is_hungry
            pause = varied(wait, self._chance.random(), polling) if looks else None
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._woken.wait()

    def _free(self) -> int:
        return 0 if self._draining else self._profile.slots - len(self._running)

    async def _claim(self, count: int) -> int:
        try:
            tasks = await self._keeper.claim(count)
        except UnavailableError as exc:
            log.warning("tasks.unclaimed", error=str(exc))
            return 0
        if self._draining:
            await self._return([task.epoch for task in tasks])
            return 0
        self._begin(tasks)
        return len(tasks)

    def _begin(self, tasks: Sequence[Task]) -> None:
        assert self._work is not None  # noqa: S101  # nothing is claimed or taken before
        for task in tasks:
            serving = _Serving(task)
            self._running[task.epoch] = serving
            serving.work = self._work.create_task(self._serve(serving), name=task.task_id)
            serving.work.add_done_callback(partial(self._ended, serving))

    async def _serve(self, serving: _Serving) -> None:
        task = serving.task
        with structlog.contextvars.bound_contextvars(task=task.task_id, epoch=task.epoch):
            log.info("task.started", step=task.step_key, agent=task.agent)
            report = await self._report_of(serving)
            if serving.fate != "open":
                return
            receipt = None
            if not _is_our_doing(report):
                self._keeper.delivering(task.epoch)
                receipt = await deliver(self._port, task, report, self._times.delivery)
            code = report.error.code if report.error is not None else None
            log.info("task.ended", outcome=report.outcome, code=code, seconds=report.usage.seconds)
            if receipt is None:
                serving.fate = "returned"
                await self._return([task.epoch])
            else:
                serving.fate = receipt

    async def _report_of(self, serving: _Serving) -> TaskReport:
        task = serving.task
        try:
            if (put_off := self._pauses.instead(task, self._kit.agents)) is not None:
                return put_off
            serving.execution = Execution(task, self._kit, self._port.append)
            return self._pauses.heard(await serving.execution.run())
        except InvariantError:
            raise
        except Exception as exc:
            # Nobody else would ever report this task, and its run would wait for it.
            log.exception("task.broken")
            message = f"the dispatcher failed: {type(exc).__name__}: {exc}"
            error = TaskError(code="dispatcher_error", message=message, failure_class="transient")
            return refused(task.epoch, error)

    def _ended(self, serving: _Serving, _work: asyncio.Task[None]) -> None:
        epoch = serving.task.epoch
        del self._running[epoch]
        match serving.fate:
            case "settled" | "lost":
                self._keeper.settle(epoch)
            case "left":
                self._keeper.retire(epoch)
            case "open" | "returned":
                pass  # Held until it is handed back.
        if not self.places.is_hungry:
            self._woken.set()

    def _lost(self, epochs: frozenset[int], _reason: LossReason) -> None:
        for epoch in epochs:
            serving = self._running.get(epoch)
            if serving is not None:
                serving.fate = "lost"
                _cancel(serving)

    async def _return(self, epochs: Collection[int]) -> None:
        try:
            await self._keeper.release(epochs)
        except UnavailableError as exc:
            log.warning("leases.unreturned", leases=sorted(epochs), error=str(exc))

    async def _leave(self) -> None:
        try:
            async with asyncio.timeout(self._times.leave_seconds):
                await self._keeper.close()
        except (UnavailableError, TimeoutError) as exc:
            log.warning("worker.left_unheard", error=str(exc))

    async def _beat_for_ever(self) -> None:
        pause = min(_BEAT_SECONDS, self._kit.limits.watchdog_seconds * _BEAT_SHARE)
        while True:
            self._keeper.check()
            for serving in self._running.values():
                if serving.execution is not None:
                    serving.execution.beat()
            await asyncio.sleep(pause)

    async def _ended_within(self, seconds: float) -> None:
        work = [serving.work for serving in self._running.values() if serving.work is not None]
        if work:
            await asyncio.wait(work, timeout=seconds)


def _is_our_doing(report: TaskReport) -> bool:
    """Whether the agent was ended for our own silence: that is no attempt of the step's (P3)."""
    return report.error is not None and report.error.code == CODES["worker_silent"]


def _cancel(serving: _Serving) -> None:
    if serving.work is not None:
        serving.work.cancel()


def check_worker(profile: Profile, times: WorkerTimes, kit: Kit) -> None:
    """Raise InvalidInputError with every problem at once."""
    problems: list[Problem] = []
    if CODE_QUEUE in profile.queues:
        message = "code steps run where their flow is loaded: in the service"
        problems.append(Problem("reserved-queue", message, pointer="/queues"))
    if profile.slots < 1:
        message = f"{profile.slots} slots run nothing"
        problems.append(Problem("no-slots", message, pointer="/slots"))
    margin = times.lease.margin_seconds
    longest = kit.limits.watchdog_seconds * (1 + PATIENCE_SHARE)
    if longest > margin:
        message = f"agents of a silent worker may live for {longest:g} s"
        hint = f"end them within the lease's margin of {margin:g} s, or two may run at once (P2)"
        problems.append(Problem("watchdog-too-slow", message, hint=hint))
    if problems:
        raise InvalidInputError("this worker cannot be started", problems)
