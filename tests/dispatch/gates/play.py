"""Run one agent behind a gate, as the user that we are; a test runs this as another one.

`python play.py SCENE`: SCENE is JSON; the answer is a line of JSON per thing that happened.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TypedDict

from flowrunner.dispatch.gates import kernel
from flowrunner.dispatch.gates.gate import Gate
from flowrunner.dispatch.process import AgentProcess, ProcessLimits
from flowrunner.dispatch.spawning import AgentCommand


class Scene(TypedDict):
    gate: dict[str, str | int | bool]
    argv: list[str]
    cwd: str
    room: str
    stops: bool
    """Whether the agent is asked to stop when it has spoken."""


async def play(scene: Scene) -> None:
    """Print how it ended."""
    command = AgentCommand(
        argv=tuple(scene["argv"]),
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"},
        cwd=Path(scene["cwd"]),
        stdin=b"prompt",
        output_cap=1 << 20,
        gate=Gate(**scene["gate"]),  # pyright: ignore[reportArgumentType]  # as it was given
    )
    limits = ProcessLimits(grace_seconds=5, watchdog_seconds=60, total_seconds=60)

    def heard(_stream: str, piece: bytes) -> None:
        if b"\n" in piece and scene["stops"]:
            agent.stop()
        sys.stderr.write("spoke\n")
        sys.stderr.flush()

    agent = AgentProcess(command, limits, Path(scene["room"]), heard)
    sys.stdout.write(json.dumps(asdict(await agent.run())))


if __name__ == "__main__":
    if os.getuid() == 0:  # A gate that fails must not cost this machine its mounts.
        kernel.unshare(kernel.NEW_MOUNTS)
        kernel.mount("", "/", "", kernel.REC | kernel.PRIVATE)
    asyncio.run(play(json.loads(sys.argv[1])))
