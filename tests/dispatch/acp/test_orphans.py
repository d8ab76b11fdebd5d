"""A worker that is killed leaves no agent behind that it was speaking with."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from dispatch.agents import is_alive, noted, numbers_in
from fixtures.waiting import until

ROOT = Path(__file__).resolve().parents[3]
WORKER = """
import asyncio, sys
from pathlib import Path
sys.path[:0] = {paths!r}
from dispatch.acp.peers import converse
asyncio.run(converse({script!r}, Path({folder!r})))
"""
PEER = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
prompted()
if os.fork() == 0:
    os.setsid()
open({pids!r}, "a").write(f"{{os.getpid()}} ")
while True: time.sleep(60)
"""


@pytest.mark.anyio
async def test_a_killed_worker_leaves_nobody(tmp_path: Path) -> None:
    """P2, P12: SIGKILL to it, and its agent and what that started are gone within seconds."""
    pids = tmp_path / "pids"
    script = PEER.format(pids=str(pids))
    paths = [str(ROOT / "src"), str(ROOT / "tests")]
    worker = WORKER.format(paths=paths, script=script, folder=str(tmp_path))
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", worker)
    await until(noted(pids, 2))
    process.kill()
    await process.wait()

    await until(lambda: not any(is_alive(pid) for pid in numbers_in(pids)))
    await until(lambda: not list((tmp_path / "room").iterdir()))
