"""Runs told as events, for whatever shows them: what happened when, without a server."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from flowrunner.cli.board import Board
from flowrunner.wire.events import Event, RosterStep

PICTURES = Path(__file__).with_name("pictures")
RUN = UUID("01a1f937-6dca-716e-a23e-2aeb25174ca8")
BEGAN = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)

Happening = tuple[float, str, str | int | None, dict[str, Any]]
"""Seconds, event type, a step by key or number, and the event's body."""


def started(needs: Mapping[str, Sequence[str]], **steps: Mapping[str, Any]) -> dict[str, Any]:
    """The body of `run.started`; *steps* say more of some of them."""
    shown = (
        RosterStep.model_validate(
            {
                "step_no": number,
                "key": key,
                "label": key.title(),
                "kind": "agent",
                "needs": tuple(given),
                **steps.get(key.replace("-", "_"), {}),
            }
        )
        for number, (key, given) in enumerate(needs.items())
    )
    return {"flow": "review", "band": "small", "steps": [step.model_dump() for step in shown]}


def told(board: Board, happenings: Sequence[Happening], first: int = 1) -> list[str | None]:
    """Let *board* hear it all; return what it told."""
    lines: list[str | None] = []
    for at, (seconds, kind, step, body) in enumerate(happenings):
        number = board.numbers.get(step) if isinstance(step, str) else step
        event = Event(
            seq=first + at,
            run_id=RUN,
            type=kind,
            at=after(seconds),
            step_no=number,
            key=step if isinstance(step, str) else None,
            data=body,
        )
        lines.append(board.hear(event))
    return lines


def a_board(*happenings: Happening, title: str = "") -> Board:
    board = Board(str(RUN), title=title)
    told(board, happenings)
    return board


def after(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def snapshot(name: str, lines: Sequence[str]) -> None:
    """Compare with the stored picture; UPDATE_PICTURES=1 stores it anew."""
    file = PICTURES / f"{name}.txt"
    text = "".join(f"{line}\n" for line in lines)
    if os.environ.get("UPDATE_PICTURES"):
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")
