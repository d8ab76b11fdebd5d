"""Workers that commits of the same process hand their tasks to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dispatch.stage import AGENT, ECHO, TIMES, an_outfit, over_sql
from fixtures.databases import Database
from fixtures.libraries import a_flow, a_library, agent
from fixtures.runs import ended, launch
from fixtures.services import Replicas
from fixtures.waiting import until

pytestmark = pytest.mark.anyio


async def test_a_worker_beside_the_engine_is_given_work_without_asking(
    replicas: Replicas, database: Database, tmp_path: Path
) -> None:
    """P2, P3: a commit hands it the next step; it heard nothing and would not look for a minute."""
    chain = a_flow(agent("a"), agent("b", "a"), agent("c", "b"))
    service = await replicas.start(a_library(chain))
    slow = replace(TIMES, polling=replace(TIMES.polling, least_seconds=60.0, most_seconds=60.0))
    outfit = an_outfit(database.address("dispatcher"), tmp_path, {AGENT: ECHO}, times=slow)

    async with over_sql(outfit, listens=False) as worker:
        service.seating.add(worker.places)
        await until(lambda: worker.places.is_hungry)

        assert await ended(service, await launch(service)) == "completed"


async def test_a_worker_that_is_given_work_still_looks_for_more(
    replicas: Replicas, database: Database, tmp_path: Path
) -> None:
    """P4, P5: its one place was filled by a commit; what another replica offers is found after."""
    library = a_library(a_flow(agent("a"), agent("b", "a")))
    one, two = await replicas.start(library), await replicas.start(library)
    outfit = an_outfit(database.address("dispatcher"), tmp_path, {AGENT: ECHO}, slots=1)

    async with over_sql(outfit, listens=False) as worker:
        one.seating.add(worker.places)
        await until(lambda: worker.places.is_hungry)
        runs = [await launch(one), await launch(two)]

        assert [await ended(one, run_id) for run_id in runs] == ["completed"] * 2
