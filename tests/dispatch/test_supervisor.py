"""The worker is killed, suspended or hangs: no agent is left, and its folder is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from dispatch.agents import is_alive, names_in, note, noted, numbers_in, parent_of
from flowrunner.dispatch import supervisor

WORKER = """
import asyncio, sys
from pathlib import Path
from dispatch.agents import an_agent
from flowrunner.dispatch.process import ProcessLimits

async def main(script, room, watchdog):
    limits = ProcessLimits(watchdog_seconds=float(watchdog), grace_seconds=20)
    agent = an_agent(script, Path(room), limits=limits)

    async def beat():
        while True:
            agent.beat()
            await asyncio.sleep(float(watchdog) / 10)

    beating = asyncio.create_task(beat())
    ended = await agent.run()
    beating.cancel()
    print(ended.cause, flush=True)

asyncio.run(main(*sys.argv[1:]))
"""
STUBBORN = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nif os.fork() == 0: os.setsid()\n"

Start = Callable[[str, float], "subprocess.Popen[str]"]


@pytest.fixture
def start_worker(tmp_path: Path) -> Generator[Start]:
    """Start a worker process that runs one agent; it is killed at the end."""
    workers: list[subprocess.Popen[str]] = []

    def start(script: str, watchdog: float) -> subprocess.Popen[str]:
        room = tmp_path / "room"
        room.mkdir()
        argv = [sys.executable, "-c", WORKER, script, str(room), str(watchdog)]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        worker = subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, text=True)
        workers.append(worker)
        return worker

    yield start
    for worker in workers:
        worker.kill()
        worker.communicate()


def until(true: Callable[[], bool], seconds: float = 10.0) -> float:
    """Return how long it took until *true()*; raise TimeoutError after *seconds*."""
    began = time.monotonic()
    while not true():
        if time.monotonic() > began + seconds:
            raise TimeoutError("the condition did not come true")
        time.sleep(0.005)
    return time.monotonic() - began


def all_dead(file: Path) -> Callable[[], bool]:
    return lambda: not any(is_alive(pid) for pid in numbers_in(file))


def test_a_killed_worker_leaves_no_agent(start_worker: Start, tmp_path: Path) -> None:
    """P2, P3: neither the agent nor a child that left its session and ignores SIGTERM."""
    file = tmp_path / "pids"
    worker = start_worker(f"{STUBBORN}{note(file)}time.sleep(600)", 2.0)
    until(noted(file, 2))

    os.kill(worker.pid, signal.SIGKILL)

    assert until(all_dead(file)) < 5.0
    until(lambda: names_in(tmp_path / "room") == [])


def test_a_suspended_worker_leaves_no_agent(start_worker: Start, tmp_path: Path) -> None:
    """P2: a worker that cannot fence itself is silent, and its agents end within the watchdog."""
    file = tmp_path / "pids"
    worker = start_worker(f"{STUBBORN}{note(file)}time.sleep(600)", 1.0)
    until(noted(file, 2))

    os.kill(worker.pid, signal.SIGSTOP)
    until(all_dead(file))
    os.kill(worker.pid, signal.SIGCONT)

    assert worker.communicate(timeout=10)[0] == "worker_silent\n"


def test_a_supervisor_killed_with_its_worker_leaves_no_agent(
    start_worker: Start, tmp_path: Path
) -> None:
    """P3: when memory runs out both may go, and nobody is left to end the agent by hand."""
    file = tmp_path / "pids"
    worker = start_worker(f"{note(file)}time.sleep(600)", 60.0)
    until(noted(file, 1))

    os.kill(worker.pid, signal.SIGSTOP)
    os.kill(parent_of(numbers_in(file)[0]), signal.SIGKILL)

    until(all_dead(file))


def test_a_worker_that_beats_is_left_alone(start_worker: Start, tmp_path: Path) -> None:
    """The watchdog bites silence only: the agent outlives it twice over."""
    file = tmp_path / "pids"
    worker = start_worker(f"time.sleep(2.5)\n{note(file)}", 1.2)

    assert worker.communicate(timeout=10)[0] == "ended\n"
    assert len(numbers_in(file)) == 1


def test_a_supervisor_asked_to_end_ends_its_agent_first(
    start_worker: Start, tmp_path: Path
) -> None:
    """Whoever shuts the machine down sends SIGTERM to everybody: no agent is left behind."""
    file = tmp_path / "pids"
    worker = start_worker(f"{note(file)}time.sleep(600)", 60.0)
    until(noted(file, 1))

    os.kill(parent_of(numbers_in(file)[0]), signal.SIGTERM)

    assert worker.communicate(timeout=10)[0] == "stopped\n"
    assert all_dead(file)()


def test_without_a_process_list_the_group_is_what_there_is(tmp_path: Path) -> None:
    """On a system that shows no processes the agent's group is signalled as one."""
    sleeper = subprocess.Popen(["/bin/sleep", "600"], start_new_session=True)

    assert supervisor.family(sleeper.pid, tmp_path / "none") == [(-sleeper.pid, True)]
    os.kill(-sleeper.pid, signal.SIGKILL)
    sleeper.wait()
    assert supervisor.family(sleeper.pid, tmp_path / "none") == [(-sleeper.pid, False)]


def test_the_family_is_found_through_any_name(tmp_path: Path) -> None:
    """A process may call itself anything, also something that looks like the end of its name."""
    script = f"open('/proc/self/comm', 'w').write(') Z 1'); open({str(tmp_path / 'up')!r}, 'w')"
    argv = [sys.executable, "-I", "-S", "-c", f"{script}\nimport time; time.sleep(600)"]
    odd = subprocess.Popen(argv)
    until((tmp_path / "up").exists)

    assert (odd.pid, True) in supervisor.family(odd.pid)

    odd.kill()
    odd.wait()


def test_a_locked_folder_is_removed_by_its_owner() -> None:
    """Without a superuser's rights a folder has to be opened before it can be emptied."""
    script = """
import os, tempfile
from pathlib import Path
from flowrunner.dispatch import supervisor
if os.getuid() == 0:
    os.setuid(65534)
folder = Path(tempfile.mkdtemp())
(folder / "a" / "b").mkdir(parents=True)
(folder / "a" / "b" / "file").touch()
(folder / "link").symlink_to("/")
(folder / "a" / "b").chmod(0)
(folder / "a").chmod(0)
supervisor._remove(str(folder))
print(folder.exists())
"""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": "/tmp"}  # noqa: S108
    done = subprocess.run(
        [sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True
    )

    assert done.stdout == "False\n"
