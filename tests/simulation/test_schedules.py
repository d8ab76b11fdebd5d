"""Thousands of schedules in which things go wrong: whatever happens, the promises hold."""

from __future__ import annotations

import pytest

from simulation.plans import GROUPS, Act, Fault, Plan, plan_of
from simulation.play import play
from simulation.shapes import SHAPES
from simulation.soak import played, replay

PER_SHAPE = 200
"""As many as fit into about half a minute; `make soak` plays 20,000, and millions if it is asked."""


@pytest.mark.parametrize("shape", SHAPES)
def test_whatever_goes_wrong_the_promises_hold(shape: str) -> None:
    """P1..P7, P12, D2-18: one end per step, one lease per task, nothing paid lost, no run stuck.

    Crashes of servers and workers at any await, statements whose answers are lost, hints that are
    lost, doubled and late, zombies, outages: and yet runs end, and most of them well.
    """
    first = tuple(SHAPES).index(shape)

    tally = played(range(first, PER_SHAPE * len(SHAPES), len(SHAPES)), most_failed=3)

    assert [f"{complaint}: {replay(seed)}" for seed, complaint in tally.failed.items()] == []
    # Where everything fails, nothing is wrong: so much has to have succeeded.
    assert tally.ends.total() >= tally.played
    assert tally.completed_steps > 2 * tally.played
    assert tally.faults > 2 * tally.played


def test_all_that_may_go_wrong_does() -> None:
    """The schedules of a run of the tests hold every fault that there is, in every shape some."""
    plans = [plan_of(seed) for seed in range(PER_SHAPE * len(SHAPES))]

    drawn = {(fault.group, fault.kind) for plan in plans for fault in plan.faults}
    assert drawn == {(group, kind) for group, kinds in GROUPS.items() for kind, _ in kinds}
    assert {plan.shape for plan in plans if plan.faults} == set(SHAPES)


def test_a_claim_that_is_executed_more_than_a_lease_late_strands_nothing() -> None:
    """P4: found at seed 14125 of 20,000: its worker lived on, and held tasks that it never heard of."""
    faults = (
        Fault("statement", "belated", 11, 0, 6.137),
        Fault("work", "marooned", 2, 1, 0.027),
        Fault("hint", "deaf", 0, 1, 0.063),
    )
    plan = Plan(14125, "retry", 1, 2, 1, faults, (Act("retry", 3.773, 4),))

    outcome = play(plan)

    assert (outcome.complaints, outcome.ends) == ((), ("completed",))
