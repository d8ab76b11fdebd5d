"""What `ps`, `show`, `approvals` and `diff` print, at every width."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from flowrunner.cli import approvals, closeup, diff, ps, show
from flowrunner.cli.brief import brief
from flowrunner.cli.paint import Canvas
from flowrunner.cli.text import cells
from flowrunner.wire.approvals import Approval
from flowrunner.wire.comparing import Diff
from flowrunner.wire.runs import ErrorText, Spent, Tally
from flowrunner.wire.steps import AttemptDetail, StepDetail
from unit.doors.seen import FORM, STEPS, a_question, a_row, a_run, a_step, an_attempt
from unit.doors.stories import after, snapshot

WIDTHS = [40, 80, 120]
NOW = after(200)
RUNS = (
    a_row("25174ca8", title="feat/outbox → main", usage=Spent(cost_microusd=940_000)),
    a_row(
        "0000h2ba".replace("h", "a"),
        flow="architecture-analysis",
        steps=Tally(total=8, done=7, failed=0, running=0),
    ),
    a_row("00000b0b", status="paused"),
    a_row(
        "00000c0c",
        status="failed",
        finished_at=after(90),
        error=ErrorText(code="agent_error", message="the agent gave up\x1b[2J"),
    ),
    a_row("00000d0d", status="completed", outcome="findings", degraded=True, finished_at=NOW),
    a_row("00000e0e", status="queued", steps=Tally(total=4, done=0, failed=0, running=0)),
)
ASKED = {RUNS[1].id: (a_question("0000a2ba"),)}


@pytest.mark.parametrize("width", WIDTHS)
def test_the_list_looks_like_its_picture(width: int) -> None:
    """§3.4: state in a word and a sign, steps, costs, age; a question with what to type."""
    lines = ps.listed(RUNS, ASKED, NOW, Canvas(width))

    snapshot(f"ps-{width}", lines)
    assert max(map(cells, lines)) <= width


def test_into_a_pipe_goes_everything() -> None:
    """Not a terminal: no signs, no colours, nothing cut; columns can be taken apart by blanks."""
    lines = ps.listed(RUNS, ASKED, NOW, Canvas(100_000, symbols=False))

    assert [line.split()[2] for line in lines[1:]] == [
        "running",
        "waiting",
        "paused",
        "failed",
        "completed*",
        "queued",
    ]
    assert lines[2].endswith("approval: publish")
    assert "\x1b" not in "".join(lines)


def test_colours_are_only_colours() -> None:
    """NO_COLOR takes away nothing but colour: every state is also a word."""
    plain = ps.listed(RUNS, ASKED, NOW, Canvas(120))
    coloured = ps.listed(RUNS, ASKED, NOW, Canvas(120, color=True))

    assert [_stripped(line) for line in coloured] == plain
    assert "\x1b[31m✗\x1b[0m failed" in "\n".join(coloured)


def _stripped(line: str) -> str:
    import re  # noqa: PLC0415

    return re.sub("\x1b\\[[0-9;]*m", "", line)


def a_page(**given: Any) -> show.Seen:
    told: dict[str, Any] = {"title": "feat/outbox → main", "labels": {"team": "core"}}
    asked = tuple(given.pop("asked", (a_question(),)))
    results = {0: "14 files"}
    run = a_run(**{**told, "usage": Spent(input_tokens=128_100, cost_microusd=940_000), **given})
    return show.Seen(run, STEPS, asked, results)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_run_looks_like_its_picture(width: int) -> None:
    """§3.4: how it stands, what is asked and how to answer, every step with what it came to."""
    lines = list(show.page(a_page(), NOW, Canvas(width)))

    snapshot(f"show-{width}", lines)
    # What is to be typed, and why something failed, may be broken by the terminal but is not cut.
    assert max(cells(line) for line in lines if not _is_whole(line)) <= width


def _is_whole(line: str) -> bool:
    return "flowrunner" in line or line.startswith(("✗", "↻"))


def test_long_lists_are_counted_unless_all_are_wanted() -> None:
    """P11: failed members are named, the others counted; `--all` lists each."""
    many = tuple(
        a_step(5 + at, f"lenses[f{at}]", "failed" if at == 77 else "completed", parent="lenses")
        for at in range(300)
    )
    seen = show.Seen(a_run(), (*STEPS[:5], *many), (), {})

    short = list(show.page(seen, NOW, Canvas(100)))
    whole = list(show.page(seen, NOW, Canvas(100), whole=True))

    assert any("f77" in line for line in short)
    assert any("299 more" in line and "299 completed" in line for line in short)
    assert len(whole) - len(short) == 298


def test_failures_are_told_whole() -> None:
    """§0.3: below the table every failed step has its error uncut, the first five of many."""
    error = ErrorText(code="contract", message="x" * 200)
    many = tuple(a_step(at, f"s{at}", "failed", error=error) for at in range(7))

    lines = list(show.page(show.Seen(a_run(), many, (), {}), NOW, Canvas(80)))

    assert [line for line in lines if line.endswith("x" * 200)] == [
        f"✗ s{at}: contract: {'x' * 200}" for at in range(5)
    ]
    assert "… and 2 more" in lines


def test_two_questions_name_their_steps() -> None:
    """With several questions the command must say which."""
    asked = (a_question(), a_question(step="deploy", form_schema=FORM, approvers=("ana", "bo")))
    lines = list(show.page(a_page(asked=asked), NOW, Canvas(120)))

    assert "  approve: flowrunner approve 25174ca8 publish" in lines
    assert "  approve: flowrunner approve 25174ca8 deploy --set risk=…" in lines
    assert any("only by ana, bo" in line for line in lines)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_inbox_looks_like_its_picture(width: int) -> None:
    """What has waited longest is on top; how to answer stands below."""
    asked = (
        a_question("0000a2ba", flow="architecture-analysis"),
        a_question(step="deploy-everywhere", expires_at=None, title="Deploy to all 14 regions?"),
    )
    lines = list(approvals.listed(asked, NOW, Canvas(width)))

    snapshot(f"approvals-{width}", lines)
    assert max(map(cells, lines[:3])) <= width


def test_one_question_is_shown_whole() -> None:
    """F42: the text as it was put, the form's values with types, and both commands."""
    asked: Approval = a_question(form_schema=FORM, on_reject="redo")
    lines = list(approvals.whole((asked,), NOW, Canvas(120)))

    snapshot("approval", lines)
    decided = a_question(status="approved", decided_by="bo", decided_at=NOW)
    assert "approved by bo" in next(approvals.whole((decided,), NOW, Canvas(120)))
    assert len(list(approvals.listed((decided,), NOW, Canvas(120)))) == 2


def test_a_step_is_shown_up_close() -> None:
    """Every attempt with its error; prompt, error and output of the one that is looked at."""
    step = a_step(1, "tests", "completed", attempt=2, needs=("scope",), persona="tester")
    tries = (an_attempt(1, "failed"), an_attempt(2))
    detail = StepDetail.model_validate(
        {**step.model_dump(), "output_bytes": 2, "output_preview": "ok"}
    )
    chosen = AttemptDetail.model_validate(
        {**tries[0].model_dump(), "step": "tests", "prompt": "Look at\x1b[2J tests.\nAll of them."}
    )

    lines = list(closeup.lines(closeup.Closeup(detail, tries, chosen, None), Canvas(80), NOW))

    snapshot("closeup-80", lines)
    assert "\x1b" not in "".join(lines)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("scope", ("scope", None)),
        ("review[a.py]#2", ("review[a.py]", 2)),
        ("review[#7]", ("review[#7]", None)),
        ("verify/check-7#12", ("verify/check-7", 12)),
    ],
)
def test_a_place_is_a_step_and_maybe_an_attempt(text: str, expected: tuple[str, int]) -> None:
    """Keys of members may hold almost anything; the attempt is the number after the last `#`."""
    assert closeup.split_place(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"findings": [1, 2], "summary": "fine", "nested": {}}', '2 findings, summary "fine"'),
        ("[1]", "1 member"),
        ('{"findings": [1]}', "1 finding"),
        ("{}", "0 fields"),
        ('"two\\nlines"', "two"),
        ("# A heading\nand text", "A heading"),
        ('{"findings": [1, 2], "cut of', '{"findings": [1, 2], "cut of'),
        ("true", "true"),
        ('{"scope": {"files": ["a", "b"], "base": "main"}}', '2 files, base "main"'),
        ("x" * 200, "x" * 99 + "…"),
        ("", ""),
    ],
)
def test_a_result_is_told_in_few_words(text: str, expected: str) -> None:
    """A table has room for what a result holds, not for the result."""
    assert brief(text) == expected


def a_diff(**given: Any) -> Diff:
    side: dict[str, Any] = {
        "flow": "code-review",
        "band": "large",
        "status": "completed",
        "outcome": "findings",
        "definition": "3f2c1a99",
        "created_at": NOW,
        "finished_at": NOW,
        "seconds": 124.0,
        "usage": Spent(cost_microusd=400_000),
    }
    step: dict[str, Any] = {"status": "completed", "attempt": 1, "seconds": 12, "usage": Spent()}
    brief_: dict[str, Any] = {"rule": "F401", "level": "warning", "message": "unused import"}
    told: dict[str, Any] = {
        "a": {**side, "id": UUID(int=0xA)},
        "b": {**side, "id": UUID(int=0xB), "outcome": "clean"},
        "same_definition": True,
        "inputs": [{"pointer": "/base", "kind": "changed", "a": "main", "b": "dev"}],
        "steps": [
            {"key": "scope", "a": step, "b": step, "same_status": True, "same_output": True},
            {
                "key": "tests",
                "a": step,
                "b": {**step, "status": "failed", "attempt": 2},
                "same_status": False,
                "same_output": None,
            },
            {"key": "new", "a": None, "b": step, "same_status": False, "same_output": None},
        ],
        "findings": {
            "new": [{**brief_, "fingerprint": "1", "file": "a.py", "line": 3}],
            "fixed": [{**brief_, "fingerprint": "2", "file": None, "line": None}],
            "same": [],
        },
    }
    return Diff.model_validate({**told, **given})


def test_a_difference_looks_like_its_picture() -> None:
    """Inputs, flow, the steps that did not end alike, and findings that came and went."""
    lines = list(diff.lines(a_diff(), Canvas(100), whole=False))
    same = list(diff.lines(a_diff(inputs=[], steps=[], findings=None), Canvas(100), whole=False))

    snapshot("diff-100", lines)
    assert "1 step ended alike" in lines
    assert "input    the same" in same
