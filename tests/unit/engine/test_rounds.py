"""Loops that look now and then: seldom where nothing happens, and never out of patience."""

from __future__ import annotations

import asyncio

from flowrunner.engine.rounds import Rounds


async def _nothing() -> bool:
    await asyncio.sleep(0)
    return False


def test_who_finds_nothing_looks_less_and_less_often() -> None:
    """N10, DESIGN section 6: an idle replica asks little; whatever is found makes it look again."""
    rounds = Rounds("inbox", _nothing, lambda: 2.0)

    pauses = [rounds.pause(found=False) for _ in range(4)]
    after_something = rounds.pause(found=True)
    after_nothing_said = rounds.pause(None)

    for pause, expected in zip(pauses, (3.0, 4.5, 5.0, 5.0), strict=True):
        assert 0.8 * expected <= pause <= 1.2 * expected
    assert max(after_something, after_nothing_said) <= 2.4
