"""Real agents, where they are installed, against a scripted model."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dispatch.tasks import AROUND, a_room, a_task
from flowrunner.dispatch.acp.driving import Manners
from flowrunner.dispatch.acp.recording import Piece
from flowrunner.dispatch.adapters.adapter import Endpoint
from flowrunner.dispatch.adapters.installed import check, site_of
from flowrunner.dispatch.adapters.judging import Judgement
from flowrunner.dispatch.adapters.launching import (
    Conversation,
    Dialect,
    Listeners,
    Place,
    Plan,
    converse,
)
from flowrunner.dispatch.adapters.table import ADAPTERS
from flowrunner.dispatch.process import ProcessLimits
from model_server.server import Model

KEY = "sk-of-the-test"
CACHE = Path.home() / ".cache" / "flowrunner" / "agents"
AGENTS = Path(os.environ.get("FLOWRUNNER_AGENTS_DIR") or CACHE)
LIMITS = ProcessLimits(total_seconds=100, watchdog_seconds=110, grace_seconds=2)
_BARE_ADDRESS = frozenset({"claude", "gemini"})


@dataclass
class Played:
    """What came of one conversation."""

    judgement: Judgement
    pieces: list[Piece] = field(default_factory=list[Piece])

    def told(self, kind: str) -> str:
        return "".join(piece.text for piece in self.pieces if piece.kind == kind)


def a_plan(agent: str, model: Model, dialect: Dialect = "acp") -> Plan:
    """How *agent* asks *model*. Skips the test, and says so, where it is not installed."""
    adapter, site = ADAPTERS[agent], site_of(AGENTS)
    if problem := check(adapter, site, headless=dialect == "headless"):
        pytest.skip(f"NOT TRIED with a real {agent}: {problem.message}; run: make agents")
    address = model.address if agent in _BARE_ADDRESS else f"{model.address}/v1"
    return Plan(
        adapter=adapter,
        endpoint=Endpoint("scripted", KEY, address),
        site=site,
        dialect=dialect,
        manners=Manners(cancel_seconds=3, close_seconds=0.5),
    )


async def play(
    plan: Plan,
    project: Path,
    prompt: str,
    *,
    limits: ProcessLimits = LIMITS,
    on_piece: Callable[[Conversation, Piece], None] | None = None,
    stop_when: Callable[[], bool] | None = None,
) -> Played:
    """Run one task to its end; *on_piece* may stop it, and it is stopped once *stop_when* is true."""
    pieces: list[Piece] = []

    def hear(piece: Piece) -> None:
        pieces.append(piece)
        if on_piece is not None:
            on_piece(conversation, piece)

    task = a_task(project_root=str(project), input=prompt.encode())
    room = a_room(project.parent)
    made = converse(task, plan, AROUND, Place(room, limits), Listeners(hear, lambda _piece: None))
    assert isinstance(made, Conversation), made
    conversation = made
    stopping = asyncio.create_task(_stopped(conversation, stop_when))
    played = Played(await conversation.run(), pieces)
    stopping.cancel()
    assert list(room.iterdir()) == []
    assert processes_at(project) == []
    return played


async def _stopped(conversation: Conversation, true: Callable[[], bool] | None) -> None:
    if true is not None:
        await until(true)
        conversation.stop()


async def until(true: Callable[[], bool]) -> None:
    while not true():
        await asyncio.sleep(0.02)


def a_project(tmp_path: Path) -> Path:
    """A folder with one file, whose words no prompt holds."""
    project = tmp_path / "project"
    project.mkdir(parents=True)
    (project / "README.md").write_text("the word is marzipan\n", encoding="utf-8")
    return project


def processes_at(folder: Path) -> list[int]:
    """Who works in *folder*: agents do, and what they start."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if _is_at(entry, folder)]


def _is_at(entry: Path, folder: Path) -> bool:
    try:
        return entry.name.isdigit() and (entry / "cwd").readlink() == folder
    except OSError:
        return False
