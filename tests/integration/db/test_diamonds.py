"""A diamond with a skip, a failure, a tolerated one and a cascade in every position, in rows."""

from __future__ import annotations

import pytest

from fixtures.by_hand import ByHand, a_body, a_new_run, write
from fixtures.databases import Database
from flowrunner.core import inputs as inp
from flowrunner.core.graph import Siblings
from flowrunner.db.pool import Conn
from integration.db.lists import as_stored
from unit.core.diamonds import FATES, Diamond

pytestmark = pytest.mark.anyio

STEPS = "SELECT key, status FROM flow_steps WHERE run_id = %s"


@pytest.mark.parametrize("fate", FATES)
async def test_the_rows_of_a_diamond_are_what_its_policies_say(
    database: Database, fate: str
) -> None:
    """R2-17, R2-20, D2-07, F45: that fate in each of the four positions, and in both sides with
    each other one; all of them are tried without a database in tests/unit/core/test_diamonds.py.
    """
    done = dict.fromkeys("abcd", "done")
    cases = [Diamond({**done, key: fate}) for key in "abcd"]
    cases += [Diamond({**done, "b": fate, "c": other}, "cb") for other in FATES]
    cases += [Diamond({**done, "b": fate, "c": "fail"}, "cb", Siblings.DRAIN)]
    async with await database.connect() as conn:
        for diamond in cases:
            await _play(conn, diamond)


async def _play(conn: Conn, diamond: Diamond) -> None:
    new = await a_new_run(conn, diamond.graph())
    run = ByHand(conn, new, (await write(conn, new, diamond.graph()))[1])
    for key, word in diamond.told():
        await _tell(run, key, word)
    await run.render()
    await as_stored(run)

    found = await (await conn.execute(STEPS, (run.run_id,))).fetchall()
    assert dict(found) == diamond.expected(), diamond.name


async def _tell(run: ByHand, key: str, word: str) -> None:
    """Nothing for steps that are not there to be told: what came before has ended them."""
    number, step = run.number(key), run.state.steps[run.number(key)]
    if word in {"yes", "no"} and step.is_ready:
        prompt, bodies = a_body("do it")
        no = inp.GuardEvaluated(number, answer=False)
        await run.tell(inp.PromptBuilt(number, prompt) if word == "yes" else no, bodies=bodies)
        await run.hold()
    elif step.status == "running":
        await (run.complete(key) if word == "done" else run.fail(key))
