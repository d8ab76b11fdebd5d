"""Commits fill the free places of a worker: never more than it has, and nothing is held for nobody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from dispatch.lease_model import Claim, LeaseModel
from flowrunner.leases.keeper import LeaseKeeper
from flowrunner.leases.places import Places, Seating
from flowrunner.leases.rules import LeaseTimes

pytestmark = pytest.mark.anyio


@dataclass
class Stage:
    """A worker with two places over the model of leases, and what it began."""

    model: LeaseModel = field(default_factory=lambda: LeaseModel(waiting=10))
    begun: list[int] = field(default_factory=list[int])
    slots: int = 2

    def __post_init__(self) -> None:
        self.lost: list[int] = []
        self.keeper: LeaseKeeper[Claim] = LeaseKeeper(
            self.model,
            LeaseTimes(),
            lambda epochs, _reason: self.lost.extend(epochs),
            clock=self.model.clock,
        )
        self.places: Places[Claim] = Places(
            self.keeper, ("default",), lambda: self.slots - len(self.begun), self._begin
        )
        self.seating: Seating[Claim] = Seating()
        self.seating.add(self.places)

    def _begin(self, tasks: Sequence[Claim]) -> None:
        self.begun += [task.epoch for task in tasks]

    def committed(self, worker_id: UUID | None) -> Claim:
        """The database gives a task to the worker that a statement named."""
        assert worker_id is not None
        self.model.epochs += 1
        self.model.owner[self.model.epochs] = worker_id
        return Claim(self.model.epochs)


@pytest.fixture
async def stage() -> Stage:
    """A worker that has looked and found nothing."""
    stage = Stage()
    await stage.keeper.renew()
    stage.places.looked(is_empty=True)
    return stage


async def test_no_more_is_taken_than_there_is_room_for(stage: Stage) -> None:
    """P2: two places, two commits at once: the third task waits for whoever claims."""
    with stage.seating.reserve() as one, stage.seating.reserve() as other:
        first, second = one.take("default"), other.take("default")
        assert one.take("default") is None
        one.fill([stage.committed(first)])
        other.fill([stage.committed(second)])

    assert stage.begun == [1, 2]
    assert stage.keeper.held == {1, 2}
    assert stage.seating.reserve().take("default") is None


async def test_a_queue_that_is_not_served_takes_nothing(stage: Stage) -> None:
    """P5: tasks go to workers of their queue."""
    assert stage.seating.reserve().take("elsewhere") is None


async def test_nobody_overtakes_what_was_offered_before(stage: Stage) -> None:
    """P5: a worker that has heard of a task, or did not find its queues empty, claims first."""
    stage.places.heard()
    assert stage.seating.reserve().take("default") is None

    stage.places.looked(is_empty=False)
    assert stage.seating.reserve().take("default") is None

    stage.places.looked(is_empty=True)
    assert stage.seating.reserve().take("default") is not None


async def test_what_was_not_taken_is_free_again(stage: Stage) -> None:
    """P4: a refused decision gives nothing and costs no place."""
    for _ in range(5):
        with stage.seating.reserve() as places:
            assert places.take("default") is not None
            places.fill([])
    assert stage.places.reserved == 0
    assert stage.places.is_hungry


async def test_a_commit_without_an_answer_is_handed_back(stage: Stage) -> None:
    """P4: what it may have taken for us nobody works on: the next renewal returns it."""
    with stage.seating.reserve() as places:
        stage.committed(places.take("default"))
    assert stage.model.owner

    await stage.keeper.renew()

    assert stage.model.owner == {}
    assert (stage.begun, stage.places.reserved) == ([], 0)


async def test_what_a_commit_in_flight_takes_is_not_handed_back(stage: Stage) -> None:
    """P2, P4: once per lease unknown leases are returned, but not while a commit may make some.

    Until that is done nothing is taken, so that it is done soon.
    """
    places = stage.seating.reserve()
    task = stage.committed(places.take("default"))
    stage.model.now += 15.0
    await stage.keeper.renew()
    stage.model.now += 15.0
    await stage.keeper.renew()

    assert stage.model.owner == {task.epoch: stage.keeper.worker_id}
    assert stage.seating.reserve().take("default") is None

    places.fill([task])
    stage.committed(stage.keeper.worker_id)
    await stage.keeper.renew()

    assert stage.begun == [task.epoch]
    assert stage.model.owner == {task.epoch: stage.keeper.worker_id}
    assert stage.seating.reserve().take("default") is not None


async def test_an_answer_past_the_fence_begins_nothing(stage: Stage) -> None:
    """P2: our lease may have ended while the commit was on its way; it goes back."""
    with stage.seating.reserve() as places:
        task = stage.committed(places.take("default"))
        stage.model.now += 25.0
        places.fill([task])
    assert (stage.begun, stage.keeper.held) == ([], frozenset())

    await stage.keeper.renew()

    assert stage.model.owner == {}


async def test_who_leaves_begins_nothing(stage: Stage) -> None:
    """P4: a worker that is told to stop hands back what commits in flight still give it."""
    with stage.seating.reserve() as places:
        task = stage.committed(places.take("default"))
        stage.places.close()
        places.fill([task])
    assert stage.begun == []
    assert stage.seating.reserve().take("default") is None
    stage.places.looked(is_empty=True)
    assert stage.seating.reserve().take("default") is None

    await stage.keeper.renew()

    assert stage.model.owner == {}


async def test_without_a_lease_nothing_is_taken() -> None:
    """P2: a worker that nobody knows yet has no places."""
    stage = Stage()
    stage.places.looked(is_empty=True)

    assert stage.seating.reserve().take("default") is None
