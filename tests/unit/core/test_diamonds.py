"""A diamond with a skip, a failure, a tolerated one and a cascade in every position."""

from __future__ import annotations

import pytest

from builders import a_word
from builders import told as committed
from flowrunner.core import inputs as inp
from flowrunner.core.model import Ref, RunState, unstarted
from stories import statuses
from unit.core.diamonds import FATES, Diamond, diamonds


@pytest.mark.parametrize("a", FATES)
def test_a_diamond_ends_as_its_steps_and_their_policies_say(a: str) -> None:
    """R2-17, R2-19, R2-20, R2-21, D2-07, F45: every combination, in both orders of its sides,
    with siblings that are stopped and that drain.
    """
    for diamond in diamonds(a):
        expected = diamond.expected()
        state = played(diamond)

        run = "failed" if diamond.is_failing else "completed"
        assert statuses(state) == {"run": run, **expected}, diamond.name
        failed = [key for key, end in expected.items() if end == "failed"]
        tolerated = [key for key in failed if diamond.fates[key] != "fail"]
        assert state.tolerated == len(tolerated), diamond.name


def played(diamond: Diamond) -> RunState:
    state = committed(unstarted(diamond.graph()), inp.Launched("demo", "small", "d0"))
    for key, word in diamond.told():
        state = committed(state, a_word(state, f"{key} {word}"))
    assert state.remaining == 0, diamond.name
    return committed(state, inp.ReportRendered(Ref("report"), "ok"))
