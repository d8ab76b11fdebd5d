"""Workers of ours on a test's database, as processes of their own would be: over SQL or REST."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dispatch.agents import note
from dispatch.tasks import AROUND, a_program, a_room
from flowrunner.db.pool import make_pool
from flowrunner.dispatch.agents import CommandAgent
from flowrunner.dispatch.delivery import Delivery
from flowrunner.dispatch.kit import Kit
from flowrunner.dispatch.polling import Polling
from flowrunner.dispatch.process import ProcessLimits
from flowrunner.dispatch.sql import SqlHints, SqlTasks
from flowrunner.dispatch.transcripts import TranscriptLimits
from flowrunner.dispatch.worker import Worker, WorkerTimes
from flowrunner.leases.ports import Profile
from flowrunner.leases.rules import LeaseTimes
from flowrunner.leases.sql import SqlLeases

ECHO = "print('heard', sys.stdin.read()); sys.stderr.write('thinking')"
AGENT = "static"
"""The name under which launches ask for the test's agent."""

LEASE = LeaseTimes(
    lease_seconds=8.0, renew_seconds=1.0, margin_seconds=2.0, call_seconds=1.0, watch_seconds=0.05
)
TIMES = WorkerTimes(
    lease=LEASE,
    polling=Polling(least_seconds=0.2, most_seconds=0.5),
    delivery=Delivery(call_seconds=2.0, first_seconds=0.05),
    drain_seconds=10.0,
)
LIMITS = ProcessLimits(grace_seconds=0.3, watchdog_seconds=1.5)


@dataclass(frozen=True, slots=True)
class Outfit:
    """What a worker is given; *address* is the dispatcher's."""

    address: str
    kit: Kit
    profile: Profile
    times: WorkerTimes


def an_outfit(
    address: str,
    tmp_path: Path,
    agents: Mapping[str, str | CommandAgent],
    *,
    times: WorkerTimes = TIMES,
    slots: int = 4,
) -> Outfit:
    """A worker for *agents*: programs, or lines of Python."""
    programs = {
        name: a_program(agent) if isinstance(agent, str) else agent
        for name, agent in agents.items()
    }
    kit = Kit(
        around=AROUND,
        room=a_room(tmp_path),
        agents=programs,
        limits=LIMITS,
        transcripts=TranscriptLimits(pause_seconds=0.1),
    )
    profile = Profile("tested", "here", os.getpid(), ("default",), slots, "test")
    return Outfit(address, kit, profile, times)


@asynccontextmanager
async def over_sql(outfit: Outfit, *, listens: bool = True) -> AsyncGenerator[Worker]:
    """A worker that runs while the block does, with nothing but an address of the database."""
    async with make_worker(outfit, listens=listens) as worker, at_work(worker):
        yield worker


@asynccontextmanager
async def make_worker(outfit: Outfit, *, listens: bool = True) -> AsyncGenerator[Worker]:
    """A worker over SQL that does not run yet."""
    pool = make_pool(outfit.address, name="worker", size=4)
    lease_pool = make_pool(outfit.address, name="worker-leases", size=2)
    hints = SqlHints(outfit.address, outfit.profile.queues) if listens else None
    async with pool, lease_pool:
        leases = SqlLeases(lease_pool, outfit.profile, outfit.times.lease.lease_seconds)
        yield Worker(
            outfit.profile, leases, SqlTasks(pool), outfit.kit, times=outfit.times, hints=hints
        )


@asynccontextmanager
async def at_work(worker: Worker) -> AsyncGenerator[None]:
    """Run a worker; leaving the block kills it, as cancelling does."""
    ready = asyncio.Event()
    running = asyncio.create_task(worker.run(ready))
    begun = asyncio.create_task(ready.wait())
    await asyncio.wait((running, begun), return_when=asyncio.FIRST_COMPLETED)
    begun.cancel()
    try:
        if not running.done():
            yield
    finally:
        running.cancel()
        await asyncio.wait([running])
        if not running.cancelled():
            running.result()


def patient(times: WorkerTimes = TIMES, **lease: Any) -> WorkerTimes:
    """The same times with other leases."""
    return replace(times, lease=replace(times.lease, **lease))


def sleeper(file: Path) -> str:
    """An agent that notes its number, ignores SIGTERM and sleeps."""
    return f"signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{note(file)}time.sleep(600)"
