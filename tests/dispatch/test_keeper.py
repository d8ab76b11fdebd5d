"""The keeper's guards, one at a time; the laws over all of them are in test_keeper_laws."""

from __future__ import annotations

import asyncio
import time
from uuid import UUID

import pytest

from dispatch.lease_model import Claim, LeaseModel
from flowrunner.core.errors import InvalidInputError, UnavailableError
from flowrunner.leases.keeper import LeaseKeeper, steady
from flowrunner.leases.ports import LossReason
from flowrunner.leases.rules import LeaseTimes

pytestmark = pytest.mark.anyio

QUICK = LeaseTimes(
    lease_seconds=2.0,
    renew_seconds=0.05,
    margin_seconds=0.5,
    call_seconds=0.2,
    watch_seconds=0.02,
)


class Stage:
    """A keeper over the model, with what it was told."""

    def __init__(self, times: LeaseTimes | None = None) -> None:
        self.model = LeaseModel(waiting=10)
        self.lost: list[tuple[frozenset[int], LossReason]] = []
        self.keeper: LeaseKeeper[Claim] = LeaseKeeper(
            self.model,
            times or LeaseTimes(),
            lambda epochs, reason: self.lost.append((epochs, reason)),
            clock=self.model.clock,
        )


async def opened(times: LeaseTimes | None = None) -> Stage:
    stage = Stage(times)
    await stage.keeper.renew()
    return stage


async def test_nothing_is_claimed_before_the_first_renewal() -> None:
    """P2: without a renewal there is no lease that a claim could stand on."""
    stage = Stage()

    assert await stage.keeper.claim(3) == ()
    assert stage.model.waiting == 10


async def test_nothing_is_claimed_past_the_fence() -> None:
    """P2: a fenced worker does not even ask."""
    stage = await opened()
    stage.model.now += 20.0

    assert await stage.keeper.claim(3) == ()
    assert stage.model.waiting == 10


async def test_a_claim_answered_too_late_starts_nothing() -> None:
    """P2, P4: what arrives past the fence is not worked on, and goes back with the next renewal."""
    stage = await opened()
    stage.model.delay = 25.0

    assert await stage.keeper.claim(1) == ()

    await stage.keeper.renew()
    assert stage.model.owner == {}


async def test_the_fence_falls_a_margin_before_the_lease_ends() -> None:
    """P2, F29: counted from before the renewal was sent, whatever its answer took."""
    stage = await opened()
    await stage.keeper.claim(1)
    stage.model.delay = 12.0
    await stage.keeper.renew()
    stage.model.now += 7.9

    stage.keeper.check()
    assert (stage.lost, stage.keeper.held) == ([], {1})
    stage.model.now += 0.1
    stage.keeper.check()
    assert stage.lost == [(frozenset({1}), "self_fenced")]


async def test_one_renewal_opens_the_fence_again() -> None:
    """A worker that can reach the database again claims again, and keeps its id."""
    stage = await opened()
    before = stage.keeper.worker_id
    stage.model.now += 20.0
    await stage.keeper.renew()

    assert len(await stage.keeper.claim(1)) == 1
    assert stage.keeper.worker_id == before


async def test_what_was_fenced_off_goes_back_only_when_it_has_stopped() -> None:
    """P2: a lease is not offered to others while its agent may still be dying."""
    stage = await opened()
    await stage.keeper.claim(1)
    stage.model.now += 20.0
    stage.keeper.check()
    await stage.keeper.renew()
    assert stage.model.owner == {1: stage.keeper.worker_id}

    stage.keeper.settle(1)
    await stage.keeper.renew()

    assert (stage.model.owner, stage.model.handed_back) == ({}, {1})


async def test_a_lost_lease_is_told_once() -> None:
    """P12: what the database took away is named, and never asked for again."""
    stage = await opened()
    await stage.keeper.claim(2)
    del stage.model.owner[1]

    await stage.keeper.renew()
    await stage.keeper.renew()

    assert stage.lost == [(frozenset({1}), "lost")]
    assert stage.keeper.held == {2}


async def test_an_unknown_worker_loses_all_and_comes_back_under_a_new_id() -> None:
    """P2: a row that is gone is never taken up again; another may have been told that we died."""
    stage = await opened()
    before = stage.keeper.worker_id
    await stage.keeper.claim(2)
    stage.model.expires.clear()

    await stage.keeper.renew()
    assert stage.lost == [(frozenset({1, 2}), "unknown_worker")]
    assert not stage.keeper.is_open

    await stage.keeper.renew()
    assert stage.keeper.worker_id not in {None, before}
    assert stage.keeper.is_open


@pytest.mark.parametrize("commits_after", [0, 1, 3])
async def test_a_claim_that_nobody_heard_of_is_handed_back(commits_after: int) -> None:
    """P3, P4: its statement may be committed at once, or long after we gave it up."""
    stage = await opened()
    stage.model.fault = "late" if commits_after else "after"
    with pytest.raises(UnavailableError):
        await stage.keeper.claim(1)
    for _ in range(commits_after):
        await stage.keeper.renew()
        stage.model.now += 5.0
    stage.model.commit_late()
    assert stage.model.owner != {}

    await stage.keeper.renew()

    assert stage.model.owner == {}


async def test_what_is_committed_however_late_is_handed_back() -> None:
    """P4: a server that slept commits a claim long after the doubt is over: once per lease we ask."""
    stage = await opened()
    stage.model.owner[7] = stage.keeper.worker_id or UUID(int=0)
    stage.model.now += 29.0
    await stage.keeper.renew()
    assert stage.model.owner == {7: stage.keeper.worker_id}

    stage.model.now += 1.0
    await stage.keeper.renew()

    assert stage.model.owner == {}


async def test_doubt_ends() -> None:
    """When claims that were given up are hardly committed any more, renewals ask for nothing else."""
    stage = await opened()
    stage.model.fault = "after"
    with pytest.raises(UnavailableError):
        await stage.keeper.claim(1)
    stage.model.now += 30.0
    await stage.keeper.renew()
    stage.model.owner[7] = stage.keeper.worker_id or UUID(int=0)

    await stage.keeper.renew()

    assert stage.model.owner == {7: stage.keeper.worker_id}


@pytest.mark.parametrize("fault", ["before", "after"])
async def test_a_failed_release_is_made_good(fault: str) -> None:
    """P4: what we gave up is not held by a worker that lives on."""
    stage = await opened()
    await stage.keeper.claim(1)
    stage.model.fault = "before" if fault == "before" else "after"
    with pytest.raises(UnavailableError):
        await stage.keeper.release([1])

    await stage.keeper.renew()

    assert (stage.model.owner, stage.keeper.held) == ({}, frozenset())


async def test_closing_hands_everything_back() -> None:
    """A drain is not a crash: leases are offered again at once, and the row is gone."""
    stage = await opened()
    await stage.keeper.claim(2)

    await stage.keeper.close()

    assert (stage.model.owner, stage.model.expires) == ({}, {})
    assert stage.model.handed_back == {1, 2}
    await stage.keeper.renew()
    assert (await stage.keeper.claim(1), stage.keeper.worker_id) == ((), None)


async def test_a_result_in_an_inbox_keeps_its_lease_until_it_is_read() -> None:
    """P1, P3: handing it back would have the task done a second time, for nothing."""
    stage = await opened()
    await stage.keeper.claim(1)
    stage.model.fault = "after"
    with pytest.raises(UnavailableError):
        await stage.keeper.claim(1)

    stage.keeper.retire(1)
    await stage.keeper.renew()
    assert (set(stage.model.owner), stage.keeper.held) == ({1}, frozenset())

    del stage.model.owner[1]
    await stage.keeper.renew()
    stage.model.owner[1] = stage.keeper.worker_id or UUID(int=0)
    await stage.keeper.renew()
    assert (stage.lost, stage.model.owner) == ([], {})


async def test_closing_waits_for_results_to_be_read() -> None:
    """P3: leaving hands back everything, so what was reported has to be off the books first."""
    stage = await opened(QUICK)
    await stage.keeper.claim(1)
    stage.keeper.retire(1)
    closing = asyncio.create_task(stage.keeper.close())
    await asyncio.wait([closing], timeout=0.1)
    assert (closing.done(), set(stage.model.owner)) == (False, {1})

    del stage.model.owner[1]

    await asyncio.wait_for(closing, 5)
    assert stage.model.expires == {}


def test_times_that_do_not_fit_are_refused_together() -> None:
    """P11: a lease shorter than one slow renewal would fence itself for nothing."""
    with pytest.raises(InvalidInputError) as refused:
        Stage(LeaseTimes(lease_seconds=10, margin_seconds=8, renew_seconds=0))

    assert [p.code for p in refused.value.problems] == ["not-positive", "lease-too-short"]


def test_the_clock_goes_forward() -> None:
    """Seconds, never jumping back."""
    assert steady() <= steady()


@pytest.mark.parametrize("jump", [3600.0, -86_400.0], ids=["forward", "back"])
def test_a_clock_that_is_set_moves_no_lease(monkeypatch: pytest.MonkeyPatch, jump: float) -> None:
    """P2, F29: set forward it would end a lease too early; set back, the fence would never fall."""
    before, told = steady(), time.time
    monkeypatch.setattr(time, "time", lambda: told() + jump)

    assert 0 <= steady() - before < 60


async def test_a_result_on_its_way_is_not_asked_about() -> None:
    """P3, P12: its work has ended, and a renewal that finds it settled already is no loss.

    Nor is it handed back meanwhile; and it can still be retired, or end with its answer.
    """
    stage = await opened()
    first, second, third = (task.epoch for task in await stage.keeper.claim(3))
    stage.keeper.delivering(first, second)
    del stage.model.owner[first]

    await stage.keeper.renew()

    assert stage.lost == []
    stage.model.now += 15.0
    await stage.keeper.renew()
    stage.model.now += 16.0
    await stage.keeper.renew()
    assert set(stage.model.owner) == {second, third}

    stage.keeper.settle(first)
    stage.keeper.retire(second)
    del stage.model.owner[second]
    await stage.keeper.renew()
    assert (stage.lost, stage.keeper.held) == ([], {third})
