"""Tasks as values, for tests that need no database."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from uuid import UUID

from flowrunner.core.graph import Limits
from flowrunner.dispatch.agents import CommandAgent, Surroundings
from flowrunner.wire.tasks import ClaimedTask

RUN = UUID("01890000-0000-7000-8000-000000000001")
AROUND = Surroundings("/usr/local/bin:/usr/bin:/bin", "C.UTF-8", None)


def a_task(**given: Any) -> ClaimedTask:
    """A task of agent `mine` in /; *given* wins."""
    defaults: dict[str, Any] = {
        "task_id": f"{RUN}.0.1",
        "run_id": RUN,
        "step_no": 0,
        "attempt": 1,
        "epoch": 7,
        "queue": "default",
        "step_key": "find-bugs",
        "kind": "agent",
        "project_root": "/",
        "agent": "mine",
        "mode_id": "plan",
        "limits": Limits(60.0),
        "input": b"prompt",
    }
    return ClaimedTask(**{**defaults, **given})


def a_program(script: str, **given: Any) -> CommandAgent:
    """An agent that is a few lines of Python; see `agents.a_command` for what is imported."""
    head = "import os, signal, subprocess, sys, time\n"
    return CommandAgent(
        kind="command", argv=(sys.executable, "-I", "-S", "-c", head + script), **given
    )


def a_room(tmp_path: Path) -> Path:
    """A folder for private folders."""
    room = tmp_path / "room"
    room.mkdir(exist_ok=True)
    return room
