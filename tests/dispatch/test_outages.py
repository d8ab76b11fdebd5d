"""The database cannot be reached for longer than a worker may go on: who has answered, and who has not."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from dispatch.agents import is_alive, note, noted, numbers_in
from dispatch.stage import AGENT, ECHO, an_outfit, over_sql, patient, sleeper
from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher
from fixtures.libraries import a_flow, a_library, agent
from fixtures.proxy import Proxy
from fixtures.runs import ended, launch, steps
from fixtures.services import Replicas
from fixtures.waiting import until

pytestmark = pytest.mark.anyio

MARGIN = 2.0
IN_MARGIN = (
    "SELECT expires_at - interval '1.5 s' < clock_timestamp() FROM workers WHERE name = 'tested'"
)
"""The fence has fallen, and nobody else may have the task yet."""


@pytest.mark.parametrize(("has_answered", "agents"), [(True, 1), (False, 2)])
async def test_an_outage_costs_those_who_have_not_answered(
    replicas: Replicas,
    proxy: Proxy,
    database: Database,
    tmp_path: Path,
    *,
    has_answered: bool,
    agents: int,
) -> None:
    """P2, P3: an answer waits until it can be told; who is still at work runs again, uncounted."""
    service = await replicas.start(a_library(a_flow(agent("a"))))
    file, go = tmp_path / "pids", tmp_path / "go"
    waits = f"{note(file)}while not os.path.exists({str(go)!r}): time.sleep(0.01)\n{ECHO}"
    times = patient(lease_seconds=10.0, renew_seconds=0.3, margin_seconds=MARGIN)
    outfit = an_outfit(proxy.address("dispatcher"), tmp_path, {AGENT: waits}, times=times)

    async with over_sql(outfit):
        run_id = await launch(service)
        await until(noted(file, 1))
        proxy.cut()
        if has_answered:
            go.touch()
        await until(lambda: not is_alive(numbers_in(file)[0]), 20.0)
        await until(lambda: database.value(IN_MARGIN), 20.0)
        go.touch()
        proxy.mend()

        assert await ended(service, run_id, 20.0) == "completed"

    assert len(numbers_in(file)) == agents
    assert await steps(database, run_id, "attempt") == {"a": "1"}
    assert await steps(database, run_id, "crashes") == {"a": "0"}


async def test_a_worker_that_is_stopped_meanwhile_does_not_wait_for_ever(
    replicas: Replicas, proxy: Proxy, database: Database, dispatcher: Dispatcher, tmp_path: Path
) -> None:
    """P2, P3: its agents end; nobody hears that it leaves, so its lease has to end: that counts."""
    service = await replicas.start(a_library(a_flow(agent("a"))))
    file = tmp_path / "pids"
    times = replace(patient(lease_seconds=6.0, renew_seconds=0.3), drain_seconds=0.1)
    outfit = an_outfit(proxy.address("dispatcher"), tmp_path, {AGENT: sleeper(file)}, times=times)

    async with asyncio.timeout(40.0), over_sql(outfit) as worker:
        run_id = await launch(service)
        await until(noted(file, 1))
        proxy.cut()
        await worker.drain()
    assert not is_alive(numbers_in(file)[0])
    proxy.mend()

    await dispatcher.take(run_id, "a", attempt=2)
    assert await steps(database, run_id, "crashes") == {"a": "1"}
    await service.runs.cancel(run_id, "enough", "test")
