"""The API agent on its real path: a conversation as a worker has it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from dispatch.adapters.real import LIMITS, Played, play
from flowrunner.dispatch.acp.driving import Manners
from flowrunner.dispatch.acp.recording import Piece
from flowrunner.dispatch.adapters.adapter import Endpoint as Asked
from flowrunner.dispatch.adapters.installed import site_of
from flowrunner.dispatch.adapters.launching import Conversation, Plan
from flowrunner.dispatch.adapters.table import ADAPTERS

KEY = "sk-of-the-test"
NOWHERE = site_of(Path("/nowhere"))


def a_plan(address: str, **options: Any) -> Plan:
    return Plan(
        adapter=ADAPTERS["api"],
        endpoint=Asked("scripted", KEY, address, options),
        site=NOWHERE,
        manners=Manners(cancel_seconds=3, close_seconds=0.5),
    )


async def ask(
    address: str,
    project: Path,
    *,
    prompt: str = "What is wrong?",
    seconds: float = LIMITS.total_seconds,
    on_piece: Callable[[Conversation, Piece], None] | None = None,
    **options: Any,
) -> Played:
    """Ask the agent one thing."""
    limits = replace(LIMITS, total_seconds=seconds)
    plan = a_plan(address, **options)
    return await play(plan, project, prompt, limits=limits, on_piece=on_piece)


def failure(played: Played) -> tuple[str, str]:
    """Return the error's code and class."""
    error = played.judgement.report.error
    assert error is not None, played.judgement.report.output
    return error.code, error.failure_class


def children() -> set[int]:
    """Processes that this one started."""
    ours = f"PPid:\t{os.getpid()}\n"
    return {int(entry.name) for entry in Path("/proc").iterdir() if ours in _status(entry)}


def _status(entry: Path) -> str:
    try:
        return (entry / "status").read_text() if entry.name.isdigit() else ""
    except OSError:
        return ""
