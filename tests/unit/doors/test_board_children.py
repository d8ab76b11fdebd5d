"""Lists, loops, calls, waits and questions on the board: what a person must see at a glance."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.cli.board import Board
from flowrunner.cli.picture import Canvas, picture
from flowrunner.cli.text import cells
from unit.doors.seen import a_step
from unit.doors.stories import RUN, Happening, a_board, after, snapshot, started, told

LENSES = ("security", "concurrency", "tests", "naming", "日本語のレビュー", "performance")
STARTED = started(
    {
        "scope": (),
        "lenses": ("scope",),
        "settle": ("scope",),
        "verify": ("lenses",),
        "publish": ("verify",),
    },
    scope={"kind": "code", "phase": "Look"},
    lenses={"phase": "Look"},
    settle={"kind": "wait", "phase": "Look"},
    verify={"kind": "code", "phase": "Judge"},
    publish={"kind": "approval", "phase": "Judge"},
)
ERROR = {"code": "contract", "message": "findings[2].line must be an integer"}


def usage(tokens: int, dollars: float) -> dict[str, Any]:
    return {"input_tokens": tokens, "cost_microusd": int(dollars * 1e6)}


STORY: tuple[Happening, ...] = (
    (0, "run.started", None, STARTED),
    (0, "step.dispatched", "scope", {"attempt": 1}),
    (12, "step.completed", "scope", {"attempt": 1, "usage": usage(9_100, 0.03)}),
    (12, "step.expanded", "lenses", {"first": 5, "keys": LENSES, "total": 6, "needed": 5}),
    (12, "step.slept", "settle", {"seconds": 600}),
    *((12, "step.dispatched", number, {"attempt": 1}) for number in range(5, 10)),
    (53, "step.completed", 5, {"attempt": 1, "usage": usage(41_000, 0.41)}),
    (
        60,
        "step.retrying",
        7,
        {"attempt": 1, "error": ERROR, "delay_seconds": 15, "usage": usage(8_000, 0.1)},
    ),
    (61, "step.failed", 8, {"attempt": 1, "error": ERROR, "tolerated": True}),
)
ASKED: tuple[Happening, ...] = (
    (75, "step.dispatched", 7, {"attempt": 2}),
    *((90, "step.completed", number, {"attempt": 1}) for number in (6, 7, 9)),
    (90, "step.dispatched", 10, {"attempt": 1}),
    (95, "step.completed", 10, {"attempt": 1}),
    (95, "step.completed", "lenses", {"attempt": 1}),
    (95, "step.dispatched", "verify", {"attempt": 1}),
    (96, "call.requested", "verify", {"child": 11, "key": "check-1"}),
    (96, "call.requested", "verify", {"child": 12, "key": "check-2"}),
    (96, "step.dispatched", 11, {"attempt": 1}),
    (120, "step.completed", 11, {"attempt": 1}),
    (120, "step.completed", 12, {"attempt": 1}),
    (121, "step.completed", "verify", {"attempt": 1}),
    (612, "step.completed", "settle", {}),
    (
        612,
        "approval.requested",
        "publish",
        {"attempt": 1, "digest": "d", "expires_seconds": 86_400},
    ),
)


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_list_looks_like_its_picture(width: int) -> None:
    """How many of a list are done, which failed and why, when the next is tried, what all costs."""
    lines = picture(a_board(*STORY), after(67), Canvas(width), "Ctrl-C leaves it running")

    snapshot(f"list-{width}", lines)
    assert max(map(cells, lines)) <= width


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_question_looks_like_its_picture(width: int) -> None:
    """A person is waited for: the command to type is on the screen, whole, whatever its width."""
    board = a_board(*STORY, *ASKED, title="feat/outbox → main")
    lines = picture(board, after(3700), Canvas(width), "Ctrl-C leaves it running")

    snapshot(f"question-{width}", lines)
    assert max(map(cells, lines)) <= width
    assert board.is_stuck_on_people
    assert any("flowrunner approve 25174ca8" in line for line in lines)


def test_a_long_list_is_counted_and_its_failures_named() -> None:
    """P11, F13: of 300 members the failed and the working stay in sight, the others are a number."""
    board = a_board(
        STORY[0],
        (
            1,
            "step.expanded",
            "lenses",
            {
                "first": 5,
                "keys": [f"file-{n}" for n in range(200)],
                "total": 320,
                "needed": 300,
                "dropped": 20,
            },
        ),
        (
            1,
            "step.expanded",
            "lenses",
            {"first": 205, "keys": [f"file-{n}" for n in range(200, 300)], "total": 320},
        ),
        *((2, "step.dispatched", number, {"attempt": 1}) for number in range(5, 105)),
        *((3, "step.completed", number, {"attempt": 1}) for number in range(5, 102)),
        (4, "step.failed", 102, {"attempt": 1, "error": ERROR}),
    )

    lines = picture(board, after(10), Canvas(100, height=14))

    snapshot("long-list-100", lines)
    assert len(lines) <= 13
    assert board.counted == (98, 305)


def test_failures_of_a_list_do_not_hide_the_flow() -> None:
    """§0.3: with 200 failed members the flow's other steps are still there, and all is counted."""
    keys = [f"f{n}" for n in range(200)]
    board = a_board(
        STORY[0],
        (1, "step.expanded", "lenses", {"first": 5, "keys": keys, "total": 200, "needed": 1}),
        *((2, "step.failed", number, {"attempt": 1, "error": ERROR}) for number in range(5, 205)),
    )

    lines = picture(board, after(3), Canvas(80, height=24))

    assert len(lines) <= 23
    for key in ("scope", "lenses", "settle", "verify", "publish"):
        assert any(line.split()[1:2] == [key] for line in lines)
    assert any("more: " in line and "failed" in line for line in lines)


def test_what_no_worker_has_is_not_at_work() -> None:
    """§0.3, U20: what is only offered looks otherwise than what somebody works on."""
    board = a_board(*STORY)
    steps = [
        a_step(6, "lenses[concurrency]", "running", worker="w-1"),
        a_step(9, "lenses[x]", "running", worker=None),
        a_step(0, "scope", "running", worker="w-1"),
    ]
    board.see(steps)

    lines = picture(board, after(67), Canvas(80))

    assert any(line.split()[:2] == ["●", "concurrency"] and "on w-1" in line for line in lines)
    assert any("◌" in line and "no worker has it yet" in line for line in lines)
    assert board.rows[0].status == "completed"
    board.see([a_step(9, "lenses[x]", "running", worker="w-2")])
    board.rows[9].heard, board.rows[9].doing = after(60), "reading src/relay.py"
    assert any(
        "7s ago · reading src/relay.py" in line for line in picture(board, after(67), Canvas(80))
    )
    assert any("silent for 5m07" in line for line in picture(board, after(367), Canvas(80)))


def test_a_loop_and_a_redo_begin_anew() -> None:
    """F15, F41: iterations are children; a run that is sent back drops them and keeps its costs."""
    board = a_board(
        STORY[0],
        (1, "step.iterated", "lenses", {"child": 5, "iteration": 1}),
        (1, "step.dispatched", 5, {"attempt": 1}),
        (2, "step.completed", 5, {"attempt": 1, "usage": usage(10, 0.5)}),
        (2, "step.iterated", "lenses", {"child": 6, "iteration": 2}),
    )
    lines = told(
        board,
        [
            (3, "step.failed", "lenses", {"attempt": 1, "error": ERROR}),
            (3, "run.failed", None, {"error": ERROR}),
            (
                9,
                "run.retried",
                None,
                {"generation": 2, "steps": [1, 3], "actor": "ana", "from_step": "lenses"},
            ),
        ],
    )

    assert lines[-1] == "run 25174ca8: begins anew from lenses by ana"
    assert (board.status, board.is_over, board.error) == ("running", False, "")
    assert (board.rows[1].status, board.rows[1].children, board.cost) == ("pending", [], 500_000)
    assert "begun 2 times" in picture(board, after(9), Canvas(80))[0]


def test_calls_that_completed_stay_when_only_what_failed_begins_anew() -> None:
    """F26: a code step's journal still answers, and the board still shows it."""
    board = a_board(*STORY, *ASKED[:12])
    told(board, [(130, "run.retried", None, {"generation": 2, "steps": [3], "actor": "ana"})])

    assert [board.rows[number].status for number in board.rows[3].children] == ["completed"]
    assert board.rows[3].status == "pending"


def test_a_failed_list_goes_on_with_those_that_failed() -> None:
    """F40: a reopened parent keeps its children; only the named ones begin anew."""
    board = a_board(*STORY, (70, "step.failed", "lenses", {"attempt": 1, "error": ERROR}))
    told(
        board,
        [(80, "run.retried", None, {"generation": 2, "steps": [8], "reopened": [1], "actor": "a"})],
    )

    assert (board.rows[1].status, len(board.rows[1].children)) == ("running", 6)
    assert board.rows[8].status == "pending"


def test_a_decision_is_told_and_stays() -> None:
    """F41: who decided, and what they said, is there as long as the run is."""
    board = a_board(*STORY, *ASKED)
    lines = told(
        board,
        [
            (700, "approval.reminded", "publish", {"count": 1}),
            (
                800,
                "approval.decided",
                "publish",
                {"approved": True, "actor": "ana", "comment": "but drop section 4"},
            ),
            (800, "step.completed", "publish", {"attempt": 1}),
        ],
    )

    assert lines == [
        "publish: still waits for approval, 1m28: flowrunner approve 25174ca8",
        "publish: approved by ana: but drop section 4",
        "publish: completed in 3m08",
    ]
    assert any("approved by ana" in line for line in picture(board, after(801), Canvas(80)))
    assert not board.questions()


def test_a_pause_is_seen_in_the_first_line() -> None:
    """F38: nothing new is offered, by whom and why; a delay that ends meanwhile is no countdown."""
    board = a_board(
        *STORY,
        (62, "run.paused", None, {"actor": "ana", "reason": "the provider is down"}),
        (75, "step.due", 7, {}),
    )

    lines = picture(board, after(80), Canvas(80))

    assert lines[0].endswith("⏸ paused by ana: the provider is down")
    assert any("try 2 once the run goes on" in line for line in lines)
    told(board, [(90, "run.resumed", None, {"actor": "ana"})])
    assert "paused" not in picture(board, after(91), Canvas(80))[0]


def test_several_questions_are_each_told_apart() -> None:
    """With two of them the step must be named; with more the inbox is."""
    needs: dict[str, tuple[str, ...]] = {"a": (), "b": (), "c": ()}
    kinds = {key: {"kind": "approval"} for key in needs}
    board = a_board((0, "run.started", None, started(needs, **kinds)))
    told(board, [(1, "approval.requested", key, {"attempt": 1}) for key in ("a", "b")])

    two = picture(board, after(2), Canvas(80))
    told(board, [(1, "approval.requested", "c", {"attempt": 1})])
    three = picture(board, after(2), Canvas(80))

    assert [any(f"approve 25174ca8 {key} " in line for line in two) for key in "ab"] == [True, True]
    assert any("3 approvals wait for you: flowrunner approvals" in line for line in three)


@given(
    height=st.integers(4, 40), width=st.integers(20, 130), until=st.integers(1, len(STORY + ASKED))
)
def test_every_picture_fits(height: int, width: int, until: int) -> None:
    """Whatever the terminal and the moment: no line is too long and none is too many."""
    board = a_board(*(STORY + ASKED)[:until])
    lines = picture(board, after(620), Canvas(width, height), "Ctrl-C leaves it running")

    assert max(map(cells, lines)) <= width
    assert len(lines) <= max(height, 5)


def test_each_change_of_a_list_is_a_line() -> None:
    """Without a terminal, members are told by their whole key."""
    lines = told(Board(str(RUN)), (*STORY, *ASKED))

    snapshot("list-lines", [line or "-" for line in lines])
