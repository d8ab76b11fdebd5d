"""Whatever the network does: no lease is used past its end, and none is held by nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeAlias
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.lease_model import Claim, Fault, LeaseModel
from flowrunner.core.errors import UnavailableError
from flowrunner.leases.keeper import LeaseKeeper
from flowrunner.leases.ports import LossReason
from flowrunner.leases.rules import LeaseTimes


class Play:
    """A keeper and a model database, under failing calls, slow answers, reaping and cancels.

    *working* is what runs, *stopping* what was told to stop and has not stopped yet.
    """

    def __init__(self) -> None:
        self.times = LeaseTimes()
        self.model = LeaseModel()
        self.keeper: LeaseKeeper[Claim] = LeaseKeeper(
            self.model, self.times, self.on_lost, clock=self.model.clock
        )
        self.working: set[int] = set()
        self.stopping: set[int] = set()
        self.unread: set[int] = set()

    def on_lost(self, epochs: frozenset[int], _reason: LossReason) -> None:
        self.working -= epochs
        self.stopping |= epochs

    async def renew(self, fault: Fault = "none", delay: float = 0.0) -> None:
        self.model.fault, self.model.delay = fault, delay
        with suppress(UnavailableError):
            await self.keeper.renew()

    async def claim(self, count: int, fault: Fault = "none", delay: float = 0.0) -> None:
        self.model.waiting = count
        self.model.fault, self.model.delay = fault, delay
        with suppress(UnavailableError):
            claims = await self.keeper.claim(count)
            self.working |= {claim.epoch for claim in claims}

    async def pass_time(self, seconds: float) -> None:
        self.model.now += seconds

    async def commit_late(self) -> None:
        self.model.commit_late()

    async def finish_work(self) -> None:
        for epoch in self.working - {max(self.working, default=0)}:
            self.model.owner.pop(epoch, None)
            self.working.discard(epoch)
            self.keeper.settle(epoch)

    async def report_to_inbox(self) -> None:
        for epoch in self.working & {min(self.working, default=0)}:
            self.working.discard(epoch)
            self.unread.add(epoch)
            self.keeper.retire(epoch)

    async def read_inbox(self) -> None:
        for epoch in self.unread:
            self.model.owner.pop(epoch, None)
        self.unread.clear()

    async def fail_to_release(self, fault: Fault) -> None:
        self.model.fault = fault
        given_up, self.working = self.working, set()
        with suppress(UnavailableError):
            await self.keeper.release(given_up)

    async def work_has_stopped(self) -> None:
        self.keeper.settle(*self.stopping)
        self.stopping.clear()

    async def cancel(self) -> None:
        self.model.owner.pop(min(self.working, default=0), None)

    async def reap(self) -> None:
        self.model.reap()

    async def lose_row(self) -> None:
        self.model.expires.pop(self.keeper.worker_id or UUID(int=0), None)

    async def end_well(self) -> None:
        """All work ends, the network recovers, and what was late has been committed."""
        await self.work_has_stopped()
        await self.read_inbox()
        self.keeper.settle(*self.working)
        for epoch in self.working:
            self.model.owner.pop(epoch, None)
        self.working.clear()
        for _ in range(12):
            await self.renew()
            await self.commit_late()
            await self.pass_time(self.times.renew_seconds)

    def check(self) -> None:
        self.keeper.check()
        expiry = self.model.expires.get(self.keeper.worker_id or UUID(int=0))

        assert self.working == self.keeper.held
        assert expiry is None or not self.working or self.model.now <= expiry - 10.0
        assert self.model.handed_back & (self.working | self.stopping | self.unread) == set()


Action: TypeAlias = Callable[[Play], object]


def _action(name: str, *arguments: st.SearchStrategy[object]) -> st.SearchStrategy[Action]:
    def act(given: tuple[object, ...], play: Play) -> object:
        return getattr(play, name)(*given)

    return st.tuples(*arguments).map(lambda given: partial(act, given))


FAULTS = st.sampled_from(("none", "after", "none", "late", "none", "before"))
DELAYS = st.sampled_from((0.0, 0.0, 0.0, 12.0, 25.0))
SECONDS = st.sampled_from((1.0, 9.0, 21.0, 35.0))
ACTIONS = st.one_of(
    _action("renew", FAULTS, DELAYS),
    _action("renew", st.just("none")),
    _action("claim", st.integers(1, 2), FAULTS, DELAYS),
    _action("claim", st.integers(1, 2)),
    _action("pass_time", SECONDS),
    _action("commit_late"),
    _action("finish_work"),
    _action("report_to_inbox"),
    _action("read_inbox"),
    _action("fail_to_release", FAULTS),
    _action("work_has_stopped"),
    _action("cancel"),
    _action("reap"),
    _action("lose_row"),
)


@settings(max_examples=120, deadline=None)
@given(st.lists(ACTIONS, min_size=20, max_size=60))
def test_no_lease_outlives_its_use_nor_its_user(actions: list[Action]) -> None:
    """P2, P3, P4: work stops a margin before its lease can end, what still stops or was
    reported is not handed on, and once all is quiet nobody holds what nobody works on.
    """

    async def play() -> None:
        stage = Play()
        await stage.renew()
        for action in actions:
            await action(stage)  # type: ignore[misc]
            stage.check()
        await stage.end_well()

        assert stage.model.held_by(stage.keeper.worker_id) == set()
        assert stage.keeper.held == frozenset()
        assert stage.keeper.is_open

    asyncio.run(play())
