"""How a run looks while it moves: each change in a line, each instant as a picture."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from flowrunner.cli.board import Board
from flowrunner.cli.follow import summary
from flowrunner.cli.picture import Canvas, picture
from flowrunner.cli.text import cells
from flowrunner.wire.events import Event, RosterStep

PICTURES = Path(__file__).with_name("pictures")
RUN = UUID("01a1f937-6dca-716e-a23e-2aeb25174ca8")
BEGAN = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
NEEDS = {
    "scope": (),
    "security": ("scope",),
    "concurrency-and-locking-of-everything": ("scope",),
    "tests": ("scope",),
    "style": ("scope",),
    "verify": ("security", "concurrency-and-locking-of-everything", "tests"),
    "publish": ("verify",),
}
STARTED = {
    "flow": "review",
    "band": "small",
    "steps": [
        RosterStep(
            step_no=number,
            key=key,
            label=key.title(),
            kind="agent",
            needs=needs,
            excluded="not in band small" if key == "style" else None,
        ).model_dump()
        for number, (key, needs) in enumerate(NEEDS.items())
    ],
}
OVERLOADED = {"code": "overloaded", "message": "the provider asks for patience, please\x1b[2J wait"}

Happening = tuple[float, str, str | None, dict[str, Any]]

STORY: tuple[Happening, ...] = (
    (0, "run.started", None, STARTED),
    (0, "step.dispatched", "scope", {"attempt": 1}),
    (12.2, "step.completed", "scope", {"attempt": 1}),
    (12.2, "step.dispatched", "security", {"attempt": 1}),
    (12.2, "step.dispatched", "concurrency-and-locking-of-everything", {"attempt": 1}),
    (12.2, "step.dispatched", "tests", {"attempt": 1}),
    (53, "step.failed", "security", {"attempt": 1, "error": OVERLOADED, "tolerated": True}),
    (60, "step.retrying", "tests", {"attempt": 1, "error": OVERLOADED, "delay_seconds": 8.0}),
)
REST: tuple[Happening, ...] = (
    (68, "step.dispatched", "tests", {"attempt": 2}),
    (69, "result.rejected", "tests", {"attempt": 1, "epoch": 3, "outcome": "completed"}),
    (70, "run.repaired", None, {"reason": "no cause to move"}),
    (90, "step.completed", "tests", {"attempt": 2}),
    (200, "step.completed", "concurrency-and-locking-of-everything", {"attempt": 1}),
    (200, "step.skipped", "verify", {"reason": "when said no"}),
    (200, "step.dispatched", "publish", {"attempt": 1}),
    (201, "step.completed", "publish", {"attempt": 1}),
    (201, "run.completed", None, {"outcome": "findings", "degraded": True}),
)


def told(board: Board, happenings: Sequence[Happening], first: int = 1) -> list[str | None]:
    return [
        board.hear(
            Event(
                seq=first + at,
                run_id=RUN,
                type=kind,
                at=BEGAN + timedelta(seconds=seconds),
                step_no=None if key is None else list(NEEDS).index(key),
                key=key,
                data=data,
            )
        )
        for at, (seconds, kind, key, data) in enumerate(happenings)
    ]


def a_board(*happenings: Happening) -> Board:
    board = Board(str(RUN))
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


@pytest.mark.parametrize("width", [80, 120])
def test_a_running_run_looks_like_its_picture(width: int) -> None:
    """What runs, what waits and for what, what is tried again and why: in one screen."""
    lines = picture(a_board(*STORY), after(62), Canvas(width), "Ctrl-C leaves it running")

    snapshot(f"running-{width}", lines)
    assert max(map(cells, lines)) <= width


@pytest.mark.parametrize("width", [80, 120])
def test_a_finished_run_looks_like_its_picture(width: int) -> None:
    """The end stands still: times no longer grow."""
    lines = picture(a_board(*STORY, *REST), after(9999), Canvas(width))

    snapshot(f"finished-{width}", lines)


def test_a_plain_terminal_gets_plain_signs() -> None:
    """A locale without our symbols is no reason for question marks."""
    lines = picture(a_board(*STORY), after(62), Canvas(80, symbols=False))

    snapshot("plain-80", lines)
    assert "".join(lines).replace("…", "").isascii()


def test_color_adds_nothing_but_color() -> None:
    """Without its escape codes, the coloured picture is the plain one."""
    board = a_board(*STORY)
    colored = picture(board, after(62), Canvas(80, color=True))
    stripped = [line.split("\x1b[0m") for line in colored]

    assert any("\x1b[31m✗" in line for line in colored)
    assert [line[0].split("m")[-1] for line in stripped if len(line) > 1] == ["✓", "✗", "●", "↻"]


def test_what_does_not_fit_is_counted() -> None:
    """P11: on a low terminal the most telling steps stay, and the others are a number."""
    lines = picture(a_board(*STORY), after(62), Canvas(80, height=7))

    assert [line.split()[1] for line in lines[1:4]] == [
        "security",
        "concurrency-and-locking-of-ever…",
        "tests",
    ]
    assert lines[4] == "  … 2 pending, 1 completed, 1 excluded"
    assert len(lines) == 6


def test_every_change_is_a_line() -> None:
    """Without a terminal, a log tells the same story: one line per change, none of them steering."""
    board = Board(str(RUN))

    lines = told(board, (*STORY, *REST))

    snapshot("lines", [line or "-" for line in lines])
    assert "\x1b" not in "".join(line or "" for line in lines)
    assert summary(board) == ("25174ca8 completed in 3m21, 6/6 steps, outcome findings, degraded")


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        (
            "run.failed",
            {"error": OVERLOADED},
            "25174ca8 failed in 1m20, 2/6 steps: overloaded: the",
        ),
        ("run.cancelled", {"reason": "enough", "actor": "ana"}, "25174ca8 cancelled in 1m20, 2/6"),
    ],
)
def test_an_end_is_summed_up(kind: str, data: dict[str, Any], expected: str) -> None:
    """How it ended, how long it took, how far it came, and why."""
    board = a_board(*STORY, (80, kind, None, data))

    assert board.is_over
    assert summary(board).startswith(expected)


def test_what_is_not_known_is_no_news() -> None:
    """A newer server's events do not break an older command line."""
    board = a_board(*STORY)

    assert told(board, [(70, "step.dreamt", "tests", {}), (70, "step.completed", None, {})]) == [
        None,
        None,
    ]
