"""A worker as a process of its own, and the signals that end it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from dispatch.agents import is_alive, note, noted, numbers_in
from fixtures.databases import Database
from fixtures.libraries import a_flow, a_library, agent
from fixtures.runs import ended, launch, steps
from fixtures.services import Replicas
from fixtures.waiting import until

pytestmark = pytest.mark.anyio

PROGRAM = """
import asyncio, sys
from pathlib import Path
from dispatch.stage import an_outfit, make_worker
from flowrunner.dispatch.standalone import run_until_signalled

async def main(address, room, script):
    async with make_worker(an_outfit(address, Path(room), {"static": script})) as worker:
        await run_until_signalled(worker, asyncio.Event())

asyncio.run(main(*sys.argv[1:]))
"""

Start = Callable[[str], "subprocess.Popen[bytes]"]


@pytest.fixture
def start(database: Database, tmp_path: Path) -> Generator[Start]:
    """Start a worker process whose agent is these lines; it is killed at the end."""
    started: list[subprocess.Popen[bytes]] = []

    def start(script: str) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-c", PROGRAM, database.address("dispatcher"), str(tmp_path)]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        with (tmp_path / "log").open("wb") as log:
            started.append(subprocess.Popen([*argv, script], env=env, stdout=log))
        return started[-1]

    yield start
    for each in started:
        each.kill()
        each.wait()


async def test_the_first_signal_lets_the_agent_end(
    replicas: Replicas, database: Database, tmp_path: Path, start: Start
) -> None:
    """P3: what was begun is finished and reported, nothing else is claimed, and it exits 0."""
    service = await replicas.start(a_library(a_flow(agent("a"), agent("b", "a"))))
    file, go = tmp_path / "pids", tmp_path / "go"
    worker = start(
        f"{note(file)}while not os.path.exists({str(go)!r}): time.sleep(0.01)\nprint('done')"
    )
    run_id = await launch(service)
    await until(noted(file, 1), 20.0)

    worker.send_signal(signal.SIGTERM)
    await until(lambda: "worker.draining" in (tmp_path / "log").read_text(encoding="utf-8"))
    go.touch()

    assert await until(lambda: worker.poll() is not None) is True
    assert worker.returncode == 0
    assert await steps(database, run_id) == {"a": "completed", "b": "running"}
    assert await database.sql("SELECT step_no, epoch FROM task_queue") == [(1, None)]
    await service.runs.cancel(run_id, "enough", "test")


async def test_the_second_signal_ends_the_agent(
    replicas: Replicas, database: Database, tmp_path: Path, start: Start
) -> None:
    """Whoever insists is not kept waiting: the agent dies, and its task is offered again."""
    service = await replicas.start(a_library(a_flow(agent("a"))))
    file = tmp_path / "pids"
    worker = start(f"signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{note(file)}time.sleep(600)")
    run_id = await launch(service)
    await until(noted(file, 1), 20.0)

    worker.send_signal(signal.SIGINT)
    worker.send_signal(signal.SIGTERM)

    await until(lambda: worker.poll() is not None, 8.0)
    assert not is_alive(numbers_in(file)[0])
    assert await database.sql("SELECT attempt, epoch FROM task_queue") == [(1, None)]
    await service.runs.cancel(run_id, "enough", "test")
    assert await ended(service, run_id) == "cancelled"
