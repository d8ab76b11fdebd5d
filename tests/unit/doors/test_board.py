"""How a run looks while it moves: each change in a line, each instant as a picture."""

from __future__ import annotations

import re
from typing import Any

import pytest

from flowrunner.cli.board import Board
from flowrunner.cli.follow import summary
from flowrunner.cli.picture import Canvas, picture
from flowrunner.cli.text import cells
from unit.doors.stories import RUN, Happening, a_board, after, snapshot, started, told

STARTED = started(
    {
        "scope": (),
        "security": ("scope",),
        "concurrency-and-locking-of-everything": ("scope",),
        "tests": ("scope",),
        "style": ("scope",),
        "verify": ("security", "concurrency-and-locking-of-everything", "tests"),
        "publish": ("verify",),
    },
    style={"excluded": "not in band small"},
)
OVERLOADED = {"code": "overloaded", "message": "the provider asks for patience, please\x1b[2J wait"}

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
    plain = [re.sub("\x1b\\[[0-9;]*m", "", line) for line in colored]

    assert any("\x1b[31m✗" in line for line in colored)
    assert plain == picture(board, after(62), Canvas(80))


def test_what_does_not_fit_is_counted() -> None:
    """P11: on a low terminal the most telling steps stay, and the others are a number."""
    lines = picture(a_board(*STORY), after(62), Canvas(80, height=7))

    assert [line.split()[1] for line in lines[1:4]] == [
        "security",
        "concurrency-and-locking-of-ever…",
        "tests",
    ]
    assert lines[4] == "  … and 4 more: 2 pending, 1 completed, 1 excluded"
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


@pytest.mark.parametrize(
    ("error", "counted", "line"),
    [
        (
            {"failure_class": "quota", "provider": "acme"},
            False,
            "waits for the quota of acme, 1h30",
        ),
        ({"failure_class": "quota"}, False, "waits for the quota of its provider, 1h30"),
        ({"failure_class": "quota", "provider": "acme"}, None, "try 1 failed, next in 1h30"),
        ({"failure_class": "contract"}, False, "try 1 failed, next in 1h30"),
    ],
    ids=["named", "nameless", "of earlier days", "another class"],
)
def test_a_wait_for_quota_is_told_as_one(
    error: dict[str, Any], *, counted: bool | None, line: str
) -> None:
    """F52: with the provider; and once the step is at work again, nothing is left of it."""
    data: dict[str, Any] = {"attempt": 1, "delay_seconds": 5400.0}
    data["error"] = {"code": "quota_exhausted", "message": "used up", **error}
    data |= {} if counted is None else {"counted": counted}
    board = a_board(
        (0, "run.started", None, STARTED), (0, "step.dispatched", "scope", {"attempt": 1})
    )

    (heard,) = told(board, [(5, "step.retrying", "scope", data)])
    told(board, [(6, "step.dispatched", "scope", {"attempt": 2})])

    assert heard is not None
    assert line in heard
    assert board.rows[0].quota == ""
