"""An agent answers while the database cannot be reached: what that costs, by how long it lasts."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatch.agents import is_alive, note, noted, numbers_in
from dispatch.stage import AGENT, ECHO, an_outfit, over_sql, patient
from fixtures.databases import Database
from fixtures.libraries import a_flow, a_library, agent
from fixtures.proxy import Proxy
from fixtures.runs import ended, launch, steps
from fixtures.services import LogLines, Replicas
from fixtures.waiting import until

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("lease_seconds", "agents"), [(60.0, 1), (4.0, 2)], ids=["shorter", "longer"]
)
async def test_an_answer_waits_for_the_database_until_the_fence(
    replicas: Replicas,
    proxy: Proxy,
    database: Database,
    log_lines: LogLines,
    tmp_path: Path,
    lease_seconds: float,
    agents: int,
) -> None:
    """P2, P3: until then it is told as soon as can be; after it, the agent runs again, uncounted."""
    service = await replicas.start(a_library(a_flow(agent("a"))))
    file, go = tmp_path / "pids", tmp_path / "go"
    waits = f"{note(file)}while not os.path.exists({str(go)!r}): time.sleep(0.01)\n{ECHO}"
    times = patient(lease_seconds=lease_seconds, renew_seconds=0.3, margin_seconds=2.0)
    outfit = an_outfit(proxy.address("dispatcher"), tmp_path, {AGENT: waits}, times=times)

    async with over_sql(outfit):
        run_id = await launch(service)
        await until(noted(file, 1))
        proxy.cut()
        go.touch()
        await until(lambda: not is_alive(numbers_in(file)[0]))
        if agents > 1:
            await until(lambda: "lease.lost" in [line["event"] for line in log_lines])
        proxy.mend()

        assert await ended(service, run_id, 20.0) == "completed"

    assert len(numbers_in(file)) == agents
    assert await steps(database, run_id, "attempt") == {"a": "1"}
    assert await steps(database, run_id, "crashes") == {"a": "0"}
