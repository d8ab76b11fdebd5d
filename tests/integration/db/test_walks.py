"""Random walks of runs of every kind of step: rows say what the log says, at every step of the way."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from fixtures.by_hand import by_hand
from fixtures.databases import Database
from integration.db.lists import as_stored
from integration.db.walks import BODY, a_graph_of_everything, next_inputs

pytestmark = pytest.mark.anyio

STEPS = 60


@pytest.mark.parametrize("seed", range(40))
async def test_rows_follow_every_decision(database: Database, seed: int) -> None:
    """D2-04, P6, P7: after each decision the rows load as the state that was folded; and the whole
    database is sound at the end, whatever happened to the run.
    """
    random = Random(seed)  # noqa: S311
    verdicts: Counter[str] = Counter()
    async with await database.connect() as conn:
        run = await by_hand(conn, a_graph_of_everything(random))
        for at in range(STEPS):
            await run.hold()
            given = next_inputs(run, random)
            if not given:
                break
            applied = await run.tell_all(given, BODY)
            verdicts[applied] += 1
            await as_stored(run)
            if at % 20 == 0:
                assert await database.violations() == []

    assert verdicts["ok"] > 0
    assert verdicts["conflict"] == 0
