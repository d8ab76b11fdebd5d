"""Two replicas that move one run at random, at the same moment and from what they last knew."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random

import pytest

from fixtures.databases import Database
from flowrunner.core.folding import fold
from flowrunner.core.model import RunState
from flowrunner.db.events import list_events
from integration.db.test_walks import Rows
from integration.db.walks import Told, Walk, begun, claimed, finished

pytestmark = pytest.mark.anyio

TURNS = 40


class Replica(Rows):
    """One of two that serve the run, with a connection of its own and what it knows of the run."""

    state: RunState | None = None

    async def caught_up(self) -> RunState:
        """Read what happened since, and fold it."""
        assert self.state is not None
        rows = await list_events(self.conn, self.new.run_id, after=self.state.version)
        self.state = fold(self.state, [row.decoded() for row in rows])
        return self.state


@pytest.mark.parametrize("seed", range(12))
async def test_one_of_two_commits_is_written_and_the_other_catches_up(
    database: Database, seed: int
) -> None:
    """P5, P7, I7, D2-01: of two decisions from one state at most one is written, whole; who lost is
    told so, and what the events say then is the state of who won.
    """
    random, verdicts = Random(seed), Counter[tuple[str, ...]]()  # noqa: S311
    async with await database.connect() as left, await database.connect() as right:
        one, two = Replica(left, database), Replica(right, database)
        walk = await begun(one, random)
        two.run, one.state, two.state = one.run, walk.state, walk.state
        for _ in range(TURNS):
            await claimed(walk, one)
            verdicts[await race(walk, one, two, random)] += 1
            await one.compare(walk)
        await finished(walk, one)

    assert verdicts["ok", "conflict"] + verdicts["conflict", "ok"] > 0


async def race(walk: Walk, one: Replica, two: Replica, random: Random) -> tuple[str, ...]:
    """Both decide on the same state; one of them may have been asleep."""
    told = [walk.pick(), walk.pick()]
    if random.random() < 0.3 and two.state is not None and two.state != walk.state:
        # What it decides on an old state cannot be written, whatever it is.
        late = walk.decided(told[1].inputs, two.state)
        assert not late.decision.events or await two.commit(late) == "conflict"
    given = [each for each in told if each.decision.events]
    pairs = list(zip(given, (one, two), strict=False))
    answers = await asyncio.gather(*(replica.commit(each) for each, replica in pairs))
    _take_the_winner(walk, given, answers)
    assert await one.caught_up() == walk.state
    if random.random() < 0.7:
        assert await two.caught_up() == walk.state
    return tuple(answers)


def _take_the_winner(walk: Walk, given: list[Told], answers: list[str]) -> None:
    expected = ["ok" if walk.holds(each.decision.guards) else "stale" for each in given]
    won = [each for each, answer in zip(given, answers, strict=True) if answer == "ok"]
    assert len(won) == (1 if "ok" in expected else 0)
    for wanted, answer in zip(expected, answers, strict=True):
        assert answer == wanted or (answer == "conflict" and won)
    for each in won:
        walk.take(each)
