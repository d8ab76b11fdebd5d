"""Run code steps: leased like an agent's task, so that they have attempts, time-outs and recovery.

They do not hold up anything else (D2-14): each runs in a thread of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from flowrunner.core import inputs as inp
from flowrunner.core.errors import FlowRunnerError, NotFoundError, UnavailableError
from flowrunner.core.graph import CODE_QUEUE
from flowrunner.core.model import Failure, Ref
from flowrunner.db.pool import AWAY
from flowrunner.db.queue import ClaimedTask
from flowrunner.engine.calls import StepGoneError
from flowrunner.engine.computing import compute
from flowrunner.engine.evaluation import CodeCall, is_drift
from flowrunner.engine.letters import Answer, Told
from flowrunner.engine.pinning import CHANGED
from flowrunner.engine.raising import raised
from flowrunner.engine.residents import Residents
from flowrunner.leases.keeper import LeaseKeeper
from flowrunner.leases.places import Places
from flowrunner.leases.ports import LossReason

log = structlog.stdlib.get_logger()


class CodeRunner:
    """Claims from the engine's own queue and runs what it finds, a few at a time."""

    name = "code"

    def __init__(self, residents: Residents, *, slots: int, poll_seconds: float) -> None:
        self._residents = residents
        self._slots = slots
        self._poll_seconds = poll_seconds
        self._running: dict[int, asyncio.Task[None]] = {}
        self._woken = asyncio.Event()

    def wake(self, queues: frozenset[str]) -> None:
        """Look now, if the code queue is among *queues* (none named: any may be)."""
        if not queues or CODE_QUEUE in queues:
            self.places.heard()
            self._woken.set()

    def lost(self, epochs: frozenset[int], reason: LossReason) -> None:
        """The keeper's word that leases are over: what they were for is abandoned."""
        for epoch in epochs:
            task = self._running.get(epoch)
            if task is not None:
                log.info("code.abandoned", epoch=epoch, reason=reason)
                task.cancel()

    def attach(self, keeper: LeaseKeeper[ClaimedTask]) -> None:
        self._keeper = keeper
        self.places = Places(keeper, (CODE_QUEUE,), self._free, self._begin)

    async def run(self, ready: asyncio.Event) -> None:
        """Claim and run until cancelled; then hand back what has not ended."""
        ready.set()
        wait = self._poll_seconds
        try:
            while True:
                self._woken.clear()
                full = await self._claim()
                if full:
                    continue
                try:
                    async with asyncio.timeout(wait):
                        await self._woken.wait()
                    wait = self._poll_seconds
                except TimeoutError:
                    wait = min(wait * 1.5, self._poll_seconds * 2.5)
        finally:
            await self._stop()

    async def _claim(self) -> bool:
        asked = self._free() - self.places.reserved
        if asked <= 0:
            return False
        try:
            tasks = await self._keeper.claim(asked)
        except FlowRunnerError as error:
            log.warning("code.claim_failed", error=str(error))
            return False
        is_full = len(tasks) == asked
        self.places.looked(is_empty=not is_full and not self._woken.is_set())
        self._begin(tasks)
        return is_full

    def _free(self) -> int:
        return self._slots - len(self._running)

    def _begin(self, tasks: Sequence[ClaimedTask]) -> None:
        for task in tasks:
            running = asyncio.create_task(self._execute(task), name=f"code-{task.task_id}")
            self._running[task.epoch] = running

    async def _stop(self) -> None:
        self.places.close()
        epochs = list(self._running)
        for task in list(self._running.values()):
            task.cancel()
        if epochs:
            await asyncio.wait(list(self._running.values()))
        try:
            async with asyncio.timeout(5):
                await self._keeper.close()
        except (FlowRunnerError, TimeoutError) as error:
            log.warning("code.not_handed_back", error=str(error))

    async def _execute(self, task: ClaimedTask) -> None:
        try:
            ended = await self._outcome(task)
            if ended is not None:
                self._keeper.delivering(task.epoch)
                settled = inp.TaskSettled(task.step_no, task.attempt, task.epoch, ended[0])
                await self._tell(task, Answer(settled, ended[1]))
        except asyncio.CancelledError:
            log.debug("code.stopped", task=task.task_id)
        except Exception:
            # Outermost frame of the step's task.
            log.exception("code.failed", task=task.task_id)
        finally:
            del self._running[task.epoch]
            self._keeper.settle(task.epoch)
            if not self.places.is_hungry:
                self._woken.set()

    async def _outcome(self, task: ClaimedTask) -> tuple[inp.Outcome, dict[Ref, bytes]] | None:
        """Run the step; from its beginning again when it cannot read what it asks for.

        None when the attempt was over before its code was.
        """
        delay = 0.1
        while True:
            try:
                return await self._ended(task)
            except StepGoneError:
                log.info("code.gone", task=task.task_id)
                return None
            except UnavailableError as error:
                log.warning("code.begun_again", task=task.task_id, error=str(error))
                await asyncio.sleep(delay)
                delay = min(5.0, delay * 2)

    async def _ended(self, task: ClaimedTask) -> tuple[inp.Outcome, dict[Ref, bytes]] | None:
        prepared = await self._prepared(task)
        if isinstance(prepared, Failure):
            if is_drift(prepared):
                await self._give_up(task, prepared)
                return None
            return inp.Errored(prepared), {}
        return await compute(prepared, task, self._residents)

    async def _prepared(self, task: ClaimedTask) -> CodeCall | Failure:
        """Read what the step needs, however long the database is away.

        Any other trouble is the step's failure: a lease that is given up while its worker goes on
        renewing would never be reaped (P4).
        """
        delay = 0.1
        while True:
            try:
                return await self._residents.prepare_code(task.run_id, task.step_no, task.attempt)
            except (*AWAY, UnavailableError) as error:
                log.warning("code.prepared_again", task=task.task_id, error=str(error).strip())
                await asyncio.sleep(delay)
                delay = min(5.0, delay * 2)
            except Exception as error:
                log.exception("code.unprepared", task=task.task_id)
                return Failure("internal_error", f"the step could not be prepared: {raised(error)}")

    async def _give_up(self, task: ClaimedTask, drift: Failure) -> None:
        """The run's definition is not to be had: pause it, and hand the step back."""
        why = f"{drift.code}: {drift.message}"
        await self._tell(task, Answer(inp.PauseRequested(why, "engine")))
        lost = inp.TaskLost(task.step_no, task.attempt, task.epoch, CHANGED, handed_back=True)
        await self._tell(task, Answer(lost))

    async def _tell(self, task: ClaimedTask, answer: Answer) -> None:
        """Tell the run until it has heard: telling it twice is a duplicate, not a second effect."""
        delay = 0.1
        while True:
            try:
                verdict = await self._residents.deliver(task.run_id, Told(answer))
            except NotFoundError:
                return
            except Exception as error:  # noqa: BLE001  # the lease is ours until the run has heard
                log.warning("code.told_again", task=task.task_id, error=repr(error))
                await asyncio.sleep(delay)
                delay = min(5.0, delay * 2)
            else:
                log.debug("code.settled", task=task.task_id, verdict=verdict.value)
                return
