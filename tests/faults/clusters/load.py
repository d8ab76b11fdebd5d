"""A steady load: runs launched by the clock, worked off over REST, decided, and written down."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeVar

import httpx2

from faults.clusters.diary import AWAY, Diary
from faults.clusters.hosts import Host
from flowrunner.client import AsyncClient
from flowrunner.dispatch.rest import RestTasks
from flowrunner.leases.keeper import LeaseKeeper
from flowrunner.leases.ports import Profile
from flowrunner.leases.rules import LeaseTimes
from flowrunner.wire.approvals import DecisionBody
from flowrunner.wire.runs import LaunchBody
from flowrunner.wire.tasks import ClaimedTask, ReportReply, TaskReport

T = TypeVar("T")

QUEUE = "told"
# Longer than the longest outage that the service is asked to bear.
TIMES = LeaseTimes(lease_seconds=20, renew_seconds=1, margin_seconds=4, call_seconds=4)
CALL_SECONDS = 4.0
SLOTS = 16
PROFILE = Profile("told@tests", "tests", 1, (QUEUE,), SLOTS, "tests")


@dataclass(slots=True)
class Load:
    """*rate* runs a second, and at most *most* under way; from a thread that lives on *host*."""

    url: str
    body: LaunchBody
    host: Host | None = None
    rate: float = 5.0
    most: int = 30
    slow_body: LaunchBody | None = None
    """Now and then a run of the watched flow, whose agents are processes."""
    diary: Diary = field(default_factory=Diary)
    errors: list[BaseException] = field(default_factory=list[BaseException])
    under_way: int = 0
    begun: int = 0
    _paused: bool = False
    _over: bool = False

    def pause(self) -> None:
        """Launch nothing more; what is under way goes on."""
        self._paused = True

    def go_on(self) -> None:
        self._paused = False

    def stop(self) -> None:
        """Leave everything as it is."""
        self._over = True

    def work(self) -> None:
        """Be the thread."""
        try:
            if self.host is not None:
                self.host.enter()
            asyncio.run(self._all())
        except BaseException as error:  # noqa: BLE001  # told in the thread that waits
            self.errors.append(error)

    async def _all(self) -> None:
        async with (
            AsyncClient(self.url, patience_seconds=0.0, actor="tests", name="load") as client,
            httpx2.AsyncClient(base_url=self.url, timeout=CALL_SECONDS) as http,
            asyncio.TaskGroup() as group,
        ):
            tasks = {
                group.create_task(self._dispatch(http)),
                group.create_task(self._decide(client)),
            }
            await self._launch(client, group, tasks)
            for task in tuple(tasks):
                task.cancel()

    async def _launch(
        self, client: AsyncClient, group: asyncio.TaskGroup, tasks: set[asyncio.Task[None]]
    ) -> None:
        next_at = time.monotonic()
        while not self._over:
            now = time.monotonic()
            if self._paused or self.under_way >= self.most:
                next_at = now
            elif now >= next_at:
                next_at = max(next_at + 1 / self.rate, now - 1)
                self.under_way += 1
                self.begun += 1
                run = group.create_task(self._one(client, self.begun))
                tasks.add(run)
                run.add_done_callback(tasks.discard)
            await breath(0.01)

    async def _one(self, client: AsyncClient, number: int) -> None:
        key = f"launch-{number}"
        is_slow = self.slow_body is not None and number % 20 == 0
        flow, body = ("watched", self.slow_body) if is_slow else ("pulse", self.body)
        try:
            before = self.diary.doubts["launch"]
            reply = await self._insist("launch", lambda: client.launch(flow, body, key=key))
            self.diary.replays += reply.replayed
            if reply.replayed and self.diary.doubts["launch"] == before:
                self.diary.complaints.append(f"{key} was replayed, and there was no doubt")
            run = str(reply.id)
            self.diary.launches[key] = run
            again = await self._insist("repeat", lambda: client.launch(flow, body, key=key))
            if str(again.id) != run:
                self.diary.complaints.append(f"{key} is {run}, and then {again.id}")
            self.diary.ended[key] = await self._end_of(client, run)
        finally:
            self.under_way -= 1

    async def _end_of(self, client: AsyncClient, run: str) -> str:
        while True:
            with suppress(*AWAY):
                async with asyncio.timeout(CALL_SECONDS):
                    found = await client.get_run(run, wait=2.0)
                if found.finished_at is not None:
                    return found.status
            await breath(0.05)

    async def _insist(self, what: str, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask again, word for word, until it is answered."""
        while True:
            with suppress(*AWAY):
                return await self.diary.told(what, lambda: _in_time(ask))
            await breath(0.05)

    async def _decide(self, client: AsyncClient) -> None:
        while True:
            with suppress(*AWAY):
                async with asyncio.timeout(CALL_SECONDS):
                    found = await client.list_approvals(limit=200)
                for approval in found.items:
                    body = DecisionBody(decision="approve", digest=approval.digest)
                    await self._insist(
                        "decision", lambda a=approval.id, b=body: client.decide_approval(a, b)
                    )
                    self.diary.decisions.append(approval.id)
            await breath(0.1)

    async def _dispatch(self, http: httpx2.AsyncClient) -> None:
        port = RestTasks(http, PROFILE)
        working: dict[int, asyncio.Task[None]] = {}

        def lost(epochs: frozenset[int], _reason: str) -> None:
            for epoch in epochs & working.keys():
                working[epoch].cancel()

        keeper: LeaseKeeper[ClaimedTask] = LeaseKeeper(port, TIMES, lost)
        async with asyncio.TaskGroup() as group:
            group.create_task(keeper.run(asyncio.Event()))
            while True:
                with suppress(*AWAY):
                    for task in await keeper.claim(SLOTS - len(working)):
                        self.diary.epochs.append(task.epoch)
                        work = group.create_task(self._answer(http, keeper, task))
                        working[task.epoch] = work
                        work.add_done_callback(lambda _done, e=task.epoch: working.pop(e))
                await breath(0.03)

    async def _answer(
        self, http: httpx2.AsyncClient, keeper: LeaseKeeper[ClaimedTask], task: ClaimedTask
    ) -> None:
        """Say something, until somebody has heard it; or until the lease is lost."""
        output = f"{task.task_id} under {task.epoch}"
        report = TaskReport(epoch=task.epoch, outcome="completed", output=output)
        body = report.model_dump_json(exclude_none=True)
        path = f"/api/v1/tasks/{task.task_id}/result"
        headers = {"Content-Type": "application/json"}

        async def send() -> ReportReply:
            response = await http.post(path, content=body, headers=headers)
            response.raise_for_status()
            return ReportReply.model_validate_json(response.content)

        try:
            reply = await self._insist("result", send)
            if reply.verdict == "accepted":
                self.diary.results[task.task_id, task.epoch] = output
        finally:
            keeper.settle(task.epoch)


async def _in_time(ask: Callable[[], Awaitable[T]]) -> T:
    async with asyncio.timeout(CALL_SECONDS):
        return await ask()


async def breath(seconds: float) -> None:
    """Let the others go on for so long."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.Event().wait()


@contextmanager
def under_load(load: Load) -> Generator[Load]:
    """Keep it up while the block runs."""
    thread = threading.Thread(target=load.work, name="load")
    thread.start()
    try:
        yield load
    finally:
        load.stop()
        thread.join()
    assert load.errors == []
