"""Wire one replica of the service. No logic."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from flowrunner import __version__
from flowrunner.bootstrap.database import Addresses
from flowrunner.bootstrap.listening import Listener
from flowrunner.bootstrap.pools import LANES, Pools, make_pools
from flowrunner.core.graph import CODE_QUEUE
from flowrunner.core.model import Ref
from flowrunner.db.definitions import find_stored
from flowrunner.db.notifier import Notifier
from flowrunner.db.partitions import ensure_partitions
from flowrunner.db.pauses import delete_past_pauses
from flowrunner.db.payloads import list_payloads
from flowrunner.db.pool import Pool
from flowrunner.db.queue import ClaimedTask
from flowrunner.db.room import Room
from flowrunner.db.workers import delete_dead_workers
from flowrunner.definitions.folders import shipped_folder
from flowrunner.definitions.library import Library
from flowrunner.engine.alarms import Alarms
from flowrunner.engine.bodies import Bodies
from flowrunner.engine.brake import Brake
from flowrunner.engine.code import CodeRunner
from flowrunner.engine.committer import Committer
from flowrunner.engine.evaluation import Evaluator
from flowrunner.engine.feed import Feed
from flowrunner.engine.inbox import Inbox
from flowrunner.engine.launching import Launcher
from flowrunner.engine.lifecycle import Service as Running
from flowrunner.engine.lifecycle import beside
from flowrunner.engine.pinning import Pinning
from flowrunner.engine.reaper import Reaper
from flowrunner.engine.residents import Residents
from flowrunner.engine.rounds import Rounds
from flowrunner.engine.signals import Signals
from flowrunner.leases.keeper import LeaseKeeper, steady
from flowrunner.leases.places import Seating
from flowrunner.leases.ports import Profile
from flowrunner.leases.rules import LeaseTimes
from flowrunner.leases.sql import SqlLeases
from flowrunner.service.approvals import ApprovalService
from flowrunner.service.comparing import Comparing
from flowrunner.service.control import ControlService
from flowrunner.service.graphing import Graphing
from flowrunner.service.runs import RunService
from flowrunner.service.steps import StepViews
from flowrunner.service.tasks import TaskService
from flowrunner.service.views import Views
from flowrunner.settings import Settings

log = structlog.stdlib.get_logger()

_PARTITION_SECONDS = 21_600.0
_BURIAL_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Service:
    """Everything a door needs, wired; `loops` are what has to run meanwhile."""

    settings: Settings
    addresses: Addresses
    pool: Pool
    lease_pool: Pool
    commit_pool: Pool
    flows: Library
    runs: RunService
    control: ControlService
    approvals: ApprovalService
    tasks: TaskService
    views: Views
    steps: StepViews
    comparing: Comparing
    graphing: Graphing
    feed: Feed
    signals: Signals
    residents: Residents
    committer: Committer
    seating: Seating[ClaimedTask]
    reaper: Reaper
    loops: tuple[Running, ...]
    rounds: tuple[Rounds, ...]


def find_flows(settings: Settings) -> Library:
    """Project ./flows, then the user's, then the shipped ones; configured folders come first."""
    user = Path(os.path.expanduser("~/.config/flowrunner/flows"))  # noqa: PTH111  # no HOME is no error
    return Library.discover([*settings.flows, Path("flows"), user, shipped_folder("flows")])


def build_service(
    settings: Settings, addresses: Addresses, *, library: Library | None = None
) -> Service:
    """Wire one replica. Nothing runs and nothing is connected yet."""
    pools = make_pools(settings, addresses)
    flows = library if library is not None else find_flows(settings)
    engine = _engine(settings, addresses, pools, flows)
    feed = Feed(pools.work, poll_seconds=settings.poll_seconds)
    engine.signals.on_events.append(feed.heard)
    engine.signals.on_events.append(engine.residents.waiters.heard)
    code, keeper = _code_runner(settings, pools.leases, engine)
    reaper = _reaper(settings, pools.work, engine.residents)
    rounds = _rounds(settings, pools.work, engine, reaper)
    own = None if settings.database_pooled else engine.notifier
    listener = Listener(addresses.listen, engine.signals, rounds, own)
    views = Views(pools.work, engine.room)
    first = (engine.notifier, engine.committer, engine.residents)
    return Service(
        settings=settings,
        addresses=addresses,
        pool=pools.work,
        lease_pool=pools.leases,
        commit_pool=pools.commits,
        flows=flows,
        runs=_runs(settings, pools.work, engine, flows),
        control=ControlService(pools.work, engine.residents),
        approvals=ApprovalService(pools.work, engine.residents, engine.evaluator),
        tasks=TaskService(pools.work, engine.residents),
        views=views,
        steps=StepViews(pools.work),
        comparing=Comparing(pools.work, views),
        graphing=Graphing(pools.work, views),
        feed=feed,
        signals=engine.signals,
        residents=engine.residents,
        committer=engine.committer,
        seating=engine.seating,
        reaper=reaper,
        loops=(*first, listener, keeper, code, *rounds),
        rounds=rounds,
    )


@dataclass(frozen=True, slots=True)
class _Engine:
    notifier: Notifier
    evaluator: Evaluator
    signals: Signals
    committer: Committer
    residents: Residents
    launcher: Launcher
    seating: Seating[ClaimedTask]
    room: Room


def _engine(settings: Settings, addresses: Addresses, pools: Pools, flows: Library) -> _Engine:
    notifier = Notifier(addresses.database)
    signals = Signals(notifier, settings.notify_mode)
    bodies = Bodies(partial(_payloads, pools.work))
    pinning = Pinning(flows, partial(_stored, pools.work), settings.on_drift)
    evaluator = Evaluator(pinning, bodies)
    seating: Seating[ClaimedTask] = Seating()
    room = Room()
    committer = Committer(pools.commits, settings.notify_mode, LANES, seating=seating, room=room)
    residents = Residents(pools.work, committer, evaluator, bodies, signals)
    launcher = Launcher(pools.work, evaluator, bodies, residents, signals, seating=seating)
    return _Engine(notifier, evaluator, signals, committer, residents, launcher, seating, room)


async def _payloads(pool: Pool, refs: Sequence[Ref]) -> dict[Ref, bytes]:
    async with pool.connection() as conn:
        return await list_payloads(conn, refs)


async def _stored(pool: Pool, definition_id: int) -> dict[str, Any] | None:
    async with pool.connection() as conn:
        return await find_stored(conn, definition_id)


def _runs(settings: Settings, pool: Pool, engine: _Engine, flows: Library) -> RunService:
    launcher, residents = engine.launcher, engine.residents
    return RunService(pool, flows, launcher, residents, settings, room=engine.room)


def _reaper(settings: Settings, pool: Pool, residents: Residents) -> Reaper:
    return Reaper(
        pool,
        residents,
        lease_seconds=settings.lease_seconds,
        grace_seconds=settings.start_grace_seconds,
        patience_seconds=settings.patience_seconds,
        brake=Brake(
            grace_seconds=settings.start_grace_seconds,
            # Within half a lease none ends for want of renewals; and looking seldom is no gap.
            gap_seconds=max(settings.lease_seconds / 2, settings.reap_seconds * 3),
            clock=steady,
        ),
    )


def _rounds(settings: Settings, pool: Pool, engine: _Engine, reaper: Reaper) -> tuple[Rounds, ...]:
    residents, signals = engine.residents, engine.signals
    alarms = Alarms(pool, residents)
    wakes = Rounds("alarms", alarms.look, lambda: alarms.pause_seconds)
    signals.on_timers.append(wakes.wake)
    return (
        Rounds("reaper", reaper.look, lambda: settings.reap_seconds),
        Rounds("partitions", lambda: _partition(pool), lambda: _PARTITION_SECONDS),
        Rounds("burials", lambda: _bury(pool), lambda: _BURIAL_SECONDS),
        wakes,
        Rounds("inbox", Inbox(pool, residents).look, lambda: settings.poll_seconds),
    )


async def _bury(pool: Pool) -> None:
    async with pool.connection() as conn:
        await delete_dead_workers(conn)
        await delete_past_pauses(conn)


async def _partition(pool: Pool) -> None:
    async with pool.connection() as conn:
        made = await ensure_partitions(conn)
    if made:
        log.info("partitions.made", count=made)


def lease_times(settings: Settings) -> LeaseTimes:
    return LeaseTimes(
        lease_seconds=settings.lease_seconds,
        renew_seconds=settings.renew_seconds,
        margin_seconds=settings.lease_margin_seconds,
    )


def _code_runner(
    settings: Settings, pool: Pool, engine: _Engine
) -> tuple[CodeRunner, LeaseKeeper[ClaimedTask]]:
    code = CodeRunner(
        engine.residents, slots=settings.code_slots, poll_seconds=settings.poll_seconds
    )
    host = socket.gethostname()
    profile = Profile(
        name=f"code@{host}",
        host=host,
        pid=os.getpid(),
        queues=(CODE_QUEUE,),
        slots=settings.code_slots,
        version=__version__,
    )
    leases = SqlLeases(pool, profile, settings.lease_seconds)
    keeper = LeaseKeeper(leases, lease_times(settings), code.lost)
    code.attach(keeper)
    engine.seating.add(code.places)
    engine.signals.on_tasks.append(code.wake)
    engine.signals.on_leases.append(keeper.poke)
    return code, keeper


@asynccontextmanager
async def running(service: Service, *more: Running) -> AsyncGenerator[Service]:
    """Run the service's loops (and *more*) while the block runs; stop them in reverse order."""
    async with (
        service.pool,
        service.lease_pool,
        service.commit_pool,
        beside([*service.loops, *more]),
    ):
        try:
            yield service
        finally:
            service.feed.close()
