"""Our worker when something is taken from it: a lease, its row, a call, the network."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from dispatch.agents import is_alive, note, noted, numbers_in
from dispatch.stage import AGENT, ECHO, an_outfit, over_sql, patient, sleeper
from fixtures.databases import Database
from fixtures.libraries import a_flow, a_library, agent
from fixtures.proxy import Proxy
from fixtures.runs import ended, launch
from fixtures.services import Replicas
from fixtures.waiting import until

pytestmark = pytest.mark.anyio


async def test_a_cancel_reaches_the_agent(
    replicas: Replicas, database: Database, tmp_path: Path
) -> None:
    """P12, F36: through the database's notification, long before the next renewal is due."""
    service = await replicas.start(a_library(a_flow(agent("a"))))
    file = tmp_path / "pids"
    times = patient(lease_seconds=600.0, renew_seconds=300.0)
    outfit = an_outfit(
        database.address("dispatcher"), tmp_path, {AGENT: sleeper(file)}, times=times
    )

    async with over_sql(outfit):
        run_id = await launch(service)
        await until(noted(file, 1))
        before = time.monotonic()
        await service.runs.cancel(run_id, "enough", "test")
        await until(lambda: not is_alive(numbers_in(file)[0]))
        assert time.monotonic() - before < 1.0

    assert await database.value("SELECT count(*) FROM task_results") == 0


async def test_a_reaped_task_is_let_go(
    replicas: Replicas, database: Database, tmp_path: Path
) -> None:
    """P2: another was given the task; here the agent is killed, and nothing is reported."""
    service = await replicas.start(a_library(a_flow(agent("a", retry=3))))
    file = tmp_path / "pids"
    outfit = an_outfit(database.address("dispatcher"), tmp_path, {AGENT: sleeper(file)})

    async with over_sql(outfit):
        run_id = await launch(service)
        await until(noted(file, 1))
        await database.sql("UPDATE workers SET expires_at = '-infinity' WHERE name = 'tested'")
        await service.reaper.look()
        await until(noted(file, 2))
        await until(lambda: not is_alive(numbers_in(file)[0]))
        await service.runs.cancel(run_id, "enough", "test")

    assert await database.value("SELECT count(*) FROM task_results") == 0


async def test_a_worker_nobody_knows_starts_over(
    replicas: Replicas, database: Database, tmp_path: Path
) -> None:
    """P2, P4: its row is gone, and with it all it held; it registers under a new id."""
    service = await replicas.start(a_library(a_flow(agent("a", retry=3))))
    file = tmp_path / "pids"
    outfit = an_outfit(database.address("dispatcher"), tmp_path, {AGENT: sleeper(file)})

    async with over_sql(outfit) as worker:
        run_id = await launch(service)
        await until(noted(file, 1))
        await database.sql("DELETE FROM workers WHERE name = 'tested'")
        worker.poke()
        await until(lambda: not is_alive(numbers_in(file)[0]))
        await service.reaper.look()
        await until(noted(file, 2))
        await service.runs.cancel(run_id, "enough", "test")


@pytest.mark.parametrize("marker", ["claim_v1", "report_v2", "renew_v2", "register_worker_v1"])
@pytest.mark.parametrize("fate", ["question_lost", "answer_lost"])
async def test_a_lost_call_changes_nothing(
    replicas: Replicas, proxy: Proxy, tmp_path: Path, marker: str, fate: str
) -> None:
    """P1, P3, P4: whichever half of a call is lost, each step is done once and none is stuck."""
    service = await replicas.start(a_library(a_flow(agent("a"), agent("b", "a"))))
    file = tmp_path / "pids"
    outfit = an_outfit(proxy.address("dispatcher"), tmp_path, {AGENT: f"{note(file)}{ECHO}"})
    proxy.doom("question_lost" if fate == "question_lost" else "answer_lost", marker)

    async with over_sql(outfit):
        assert await ended(service, await launch(service), 20.0) == "completed"

    assert proxy.has_struck
    assert len(numbers_in(file)) == 2


async def test_a_worker_cut_off_ends_its_agents_in_time(
    replicas: Replicas, proxy: Proxy, database: Database, tmp_path: Path
) -> None:
    """P2: its agents are gone while the database still holds its lease, and it comes back."""
    service = await replicas.start(a_library(a_flow(agent("a"))))
    file = tmp_path / "pids"
    times = patient(lease_seconds=4.0, renew_seconds=0.3, margin_seconds=2.0)
    outfit = an_outfit(proxy.address("dispatcher"), tmp_path, {AGENT: sleeper(file)}, times=times)

    async with over_sql(outfit):
        run_id = await launch(service)
        await until(noted(file, 1))
        proxy.cut()
        await until(lambda: not is_alive(numbers_in(file)[0]))
        left = "SELECT expires_at > clock_timestamp() FROM workers WHERE name = 'tested'"
        assert await database.value(left) is True
        proxy.mend()
        await until(noted(file, 2))
        await service.runs.cancel(run_id, "enough", "test")
