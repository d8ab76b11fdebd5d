"""What happens at the same moment on one run: in every order, the database keeps its laws."""

from __future__ import annotations

import random
from itertools import combinations_with_replacement

import pytest

from fixtures.databases import Database
from interleavings.acts import ACTS
from interleavings.orders import Case, a_hall, cases, orders, play

pytestmark = pytest.mark.anyio

SEED = 11
TRIPLES = 60


@pytest.mark.parametrize("first", list(ACTS))
async def test_two_at_once_in_every_order(database: Database, first: str) -> None:
    """P1, P5, P7, D2-18: claim, apply, reap, cancel, timer, approval, release, renew, report."""
    found: list[str] = []
    blocked = 0
    async with a_hall(database, 2) as hall:
        for case in cases(2, may_undo=False):
            if case.acts[0] == first:
                wrong, was_blocked = await play(hall, case)
                found += wrong
                blocked += was_blocked
    assert found == []
    # Two on one row of the run: the second waits for the first, or nothing was at once.
    assert blocked > 0 or first in {"claim", "release", "renew", "report", "leave", "idle"}


async def test_three_at_once(database: Database) -> None:
    """P1, P5, P7, D2-18: a sample of all orders of three, some of them undone; no deadlock."""
    chance = random.Random(SEED)  # noqa: S311  # whoever knows the seed plays the same
    triples = list(combinations_with_replacement(ACTS, 3))
    found: list[str] = []
    async with a_hall(database, 3) as hall:
        for _ in range(TRIPLES):
            keeps = tuple(chance.random() < 0.8 for _ in range(3))
            case = Case(chance.choice(triples), chance.choice(orders(3)), keeps)
            found += (await play(hall, case))[0]
    assert found == []


def test_all_orders_are_all() -> None:
    """Six orders of two sessions' two steps, ninety of three."""
    assert (len(orders(2)), len(orders(3))) == (6, 90)
    assert len(list(cases(2, may_undo=False))) == 66 * 6
