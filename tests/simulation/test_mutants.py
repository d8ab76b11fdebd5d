"""An engine that is broken is noticed: else thousands of good schedules would say nothing."""

from __future__ import annotations

import pytest

from simulation.mutants import MUTANTS, ROOT, Mutant, hunted

QUICK = frozenset(
    {
        "a conflict counts as done",
        "a repeated result is no duplicate",
        "launch without its key",
        "model: apply at any version",
        "no lease guard on results",
    }
)
"""Those that a few dozen schedules notice; `make soakmutants` hunts them all."""


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_mutant_still_fits(mutant: Mutant) -> None:
    """What is broken is there, once: a mutant of code that is gone would break nothing."""
    text = (ROOT / mutant.file).read_text(encoding="utf-8")

    assert text.count(mutant.old) == 1
    assert mutant.new not in text or mutant.new in mutant.old


@pytest.mark.parametrize(
    "mutant", [m for m in MUTANTS if m.name in QUICK], ids=lambda mutant: mutant.name
)
def test_a_broken_engine_is_noticed(mutant: Mutant) -> None:
    """P1, P2, D2-18: without the guard, schedules fail, and say which promise is broken."""
    found = list(hunted(mutant, 200))

    assert len(found) >= 1
    assert all(":" in complaint for _, complaint in found)
