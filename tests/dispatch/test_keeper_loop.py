"""The keeper's own loop: it renews, it is poked, and no call that hangs keeps it from either."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from uuid import UUID

import pytest

from dispatch.lease_model import Claim, LeaseModel
from fixtures.waiting import until
from flowrunner.core.errors import UnavailableError
from flowrunner.leases.keeper import LeaseKeeper
from flowrunner.leases.ports import LossReason
from flowrunner.leases.rules import LeaseTimes
from flowrunner.wire.tasks import Renewal

pytestmark = pytest.mark.anyio

QUICK = LeaseTimes(
    lease_seconds=2.0,
    renew_seconds=0.05,
    margin_seconds=0.5,
    call_seconds=0.2,
    watch_seconds=0.02,
)


class SlowModel(LeaseModel):
    """Calls that hang for ever once *stuck* is set, and a count of the renewals that came."""

    stuck = False
    renewals = 0

    async def renew(self, worker_id: UUID, lease_seconds: float, held: Collection[int]) -> Renewal:
        self.renewals += 1
        if self.stuck:
            await asyncio.Event().wait()
        return await super().renew(worker_id, lease_seconds, held)


async def test_a_poke_renews_at_once() -> None:
    """P12: a cancel does not wait for the next renewal."""
    model = SlowModel(lease_seconds=600)
    times = LeaseTimes(lease_seconds=600, renew_seconds=300)
    keeper: LeaseKeeper[Claim] = LeaseKeeper(model, times, lambda _e, _r: None)
    ready = asyncio.Event()
    running = asyncio.create_task(keeper.run(ready))
    await asyncio.wait_for(ready.wait(), 5)
    assert model.renewals == 1

    keeper.poke()

    await until(lambda: model.renewals == 2)
    running.cancel()


async def test_renewals_go_on_and_a_stuck_one_is_given_up() -> None:
    """P2: a call that hangs does not keep the fence from falling, nor later ones from trying."""
    model = SlowModel(waiting=1)
    lost: list[LossReason] = []
    keeper: LeaseKeeper[Claim] = LeaseKeeper(model, QUICK, lambda _e, r: lost.append(r))
    ready = asyncio.Event()
    running = asyncio.create_task(keeper.run(ready))
    await asyncio.wait_for(ready.wait(), 5)
    await keeper.claim(1)

    model.stuck = True
    await until(lambda: lost == ["self_fenced"])
    before = model.renewals
    await until(lambda: model.renewals > before)
    model.stuck = False
    await until(lambda: keeper.is_open)

    running.cancel()


async def test_losses_reach_us_while_a_call_hangs() -> None:
    """A claim that hangs is given up in time for the renewals that must not wait for it."""

    class Hanging(LeaseModel):
        async def claim(self, worker_id: UUID, count: int) -> Sequence[Claim]:
            await asyncio.Event().wait()
            return await super().claim(worker_id, count)

    keeper: LeaseKeeper[Claim] = LeaseKeeper(Hanging(), QUICK, lambda _e, _r: None)
    await keeper.renew()

    with pytest.raises(UnavailableError, match=r"no answer within 0\.2 s"):
        await keeper.claim(1)
