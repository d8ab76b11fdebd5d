"""A worker's part with one real agent behind one gate, as the user that we are.

`python act.py SCENE`: SCENE names a file of JSON; the answer is JSON. A test runs this as another
user, with something in its environment that no agent may see.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypedDict

from dispatch.tasks import AROUND, a_task
from flowrunner.dispatch.acp.driving import Manners
from flowrunner.dispatch.acp.recording import Piece
from flowrunner.dispatch.adapters.adapter import Endpoint
from flowrunner.dispatch.adapters.installed import site_of
from flowrunner.dispatch.adapters.launching import Conversation, Listeners, Place, Plan, converse
from flowrunner.dispatch.adapters.table import ADAPTERS
from flowrunner.dispatch.gates import kernel
from flowrunner.dispatch.gates.gate import Gate
from flowrunner.dispatch.gates.policy import Refusal
from flowrunner.dispatch.gates.wall import Wall
from flowrunner.dispatch.gates.watch import TreeWatch
from flowrunner.dispatch.process import ProcessLimits

LIMITS = ProcessLimits(total_seconds=40, watchdog_seconds=110, grace_seconds=2)


class Scene(TypedDict):
    """All that is given; *project* is a repository that somebody has planted."""

    agent: str
    dialect: str
    agents: str
    address: str
    key: str
    gate: dict[str, Any]
    project: str
    room: str
    shows: bool
    """Whether the agent finds what it is otherwise kept from: then the attacks must work."""


async def act(scene: Scene, prompt: str) -> dict[str, Any]:
    """Run one conversation, with a look at the project before and after; return all that it left."""
    gate, project, room = Gate(**scene["gate"]), Path(scene["project"]), Path(scene["room"])
    adapter = ADAPTERS[scene["agent"]]
    plan = Plan(
        adapter=replace(adapter, hides=()) if scene["shows"] else adapter,
        endpoint=Endpoint("scripted", scene["key"], scene["address"]),
        site=site_of(Path(scene["agents"])),
        dialect="headless" if scene["dialect"] == "headless" else "acp",
        gate=gate,
        manners=Manners(cancel_seconds=3, close_seconds=0.3),
    )
    pieces: list[Piece] = []
    errors: list[bytes] = []
    task = a_task(project_root=str(project), input=prompt.encode())
    listeners = Listeners(pieces.append, errors.append)
    conversation = converse(task, plan, AROUND, Place(room, LIMITS), listeners)
    if not isinstance(conversation, Conversation):
        return {"refused": conversation.model_dump(mode="json")}
    watch = TreeWatch(gate, leave_out=(room,))
    before = await watch.before(task)
    judgement = await conversation.run()
    watched = await watch.after(before, judgement.report)
    return {
        "report": judgement.report.model_dump(mode="json"),
        "watched": watched.model_dump(mode="json"),
        "record": dict(judgement.record),
        "pieces": [asdict(piece) for piece in pieces],
        "stderr": b"".join(errors).decode(errors="replace"),
        "rooms": await asyncio.to_thread(os.listdir, room),
    }


async def main(scene: Scene) -> None:
    """Prove the gate; then play a conversation for each prompt that is a line on stdin."""
    gate, project, room = Gate(**scene["gate"]), Path(scene["project"]), Path(scene["room"])
    closed = await Wall("strict", room, AROUND.path, gates=(gate,)).close(project)
    if isinstance(closed, Refusal):
        _say({"refused": closed.message})
    else:
        _say({"wall": closed.record()})
        while line := await asyncio.to_thread(sys.stdin.readline):
            _say(await act(scene, json.loads(line)))


def _say(told: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if os.getuid() == 0:  # A gate that fails must not cost this machine its mounts.
        kernel.unshare(kernel.NEW_MOUNTS)
        kernel.mount("", "/", "", kernel.REC | kernel.PRIVATE)
    asyncio.run(main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
