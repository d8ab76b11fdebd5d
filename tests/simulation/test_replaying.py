"""A seed is all that is needed to see a schedule again, and to make it smaller."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from simulation.plans import Fault, Plan, plan_of
from simulation.play import Outcome, play
from simulation.shrink import Cut, shrink
from simulation.soak import told

SEEDS = range(26)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_seed_is_always_the_same_schedule(seed: int) -> None:
    """The same seed: the same order, the same instants, the same end."""
    plan = plan_of(seed)

    assert play(plan) == play(plan)


def test_the_process_makes_no_difference() -> None:
    """Neither what was played before in a process nor how it hashes texts changes a schedule."""
    program = "import sys; from simulation.soak import told; sys.stdout.write(told(34))"
    tests = Path(__file__).parents[1]
    traces = {told(34)}
    for hash_seed in ("0", "7"):
        env = {
            "PYTHONPATH": f"{tests.parent / 'src'}:{tests}",
            "PYTHONHASHSEED": hash_seed,
        }
        traces.add(
            subprocess.run(
                [sys.executable, "-c", program], env=env, check=True, capture_output=True, text=True
            ).stdout
        )

    assert len(traces) == 1


def _broken_by_two(plan: Plan) -> Outcome:
    """A schedule is broken when a crash of a replica and a zombie come together."""
    kinds = {fault.kind for fault in plan.faults}
    complaints = ("P2: two at once",) if {"crash", "zombie"} <= kinds else ()
    return Outcome(complaints, (), (), 0, 0.0)


def test_what_fails_is_made_smaller() -> None:
    """What it fails without is left out; what remains is named so that it can be played again."""
    seed = next(seed for seed in range(9999) if _broken_by_two(plan_of(seed)).complaints)

    cut = shrink(seed, _broken_by_two)

    smallest = cut.of(seed)
    assert sorted(fault.kind for fault in smallest.faults) == ["crash", "zombie"]
    assert (smallest.acts, smallest.replicas, smallest.workers, smallest.runs) == ((), 1, 1, 1)
    assert Cut.read(str(cut)) == cut


def test_a_crash_is_a_crash() -> None:
    """What a process was about to do when it died, it never does; another one goes on."""
    crashes = tuple(Fault("replica", "crash", at, 0, 0.1) for at in (20, 40))

    outcome = play(Plan(1, "sequence", replicas=1, workers=1, runs=1, faults=crashes))

    assert sum("replica 0: crash" in line for line in outcome.trace) == len(crashes)
    assert (outcome.complaints, outcome.ends) == ((), ("completed",))
