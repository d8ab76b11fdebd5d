"""What a step up close says of its attempts beside their answers, and of a wait for quota."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from flowrunner.cli import closeup, show
from flowrunner.cli.paint import Canvas
from flowrunner.cli.records import told
from flowrunner.wire.runs import ErrorText, QuotaWait
from flowrunner.wire.steps import AttemptDetail, StepDetail
from unit.doors.seen import a_run, a_step, an_attempt
from unit.doors.stories import after, snapshot

NOW = after(200)
RECORD: dict[str, Any] = {
    "wall": {
        "gate": "bubblewrap",
        "policy": "strict",
        "proved": ["content", "create"],
        "claimed_untried": [],
        "uncovered": ["network"],
        "probe": "10 writes were tried, none succeeded",
        "probe_seconds": 0.04,
    },
    "agent": {
        "agent": "qwen",
        "version": "0.3.1",
        "stage": "answered",
        "stop_reason": "end_turn",
        "tools": {"read": 12, "search": 3},
        "tools_not_kept": 0,
        "denials": ["edit: a.py\x1b[2J"],
        "denial_count": 1,
    },
    "rates": {"version": "2026-11", "model": "m", "input": 0.5, "output": 1.5},
    "newer": {"knows": "more"},
}


def test_a_step_that_waits_for_quota_is_shown_up_close() -> None:
    """F52, F55, none-has 4: whose quota, until when; how the attempt was run, behind which gate; and
    what it had said, which is called no answer.
    """
    error = ErrorText(code="quota_exhausted", message="usage limit reached")
    then = NOW + timedelta(minutes=90)
    quota = QuotaWait(provider="acme", until=then)
    step = a_step(1, "tests", attempt=1, delayed=True, error=error, quota=quota)
    tried = an_attempt(1, "failed", error=error, counted=False)
    detail = StepDetail.model_validate(
        {**step.model_dump(), "output_bytes": None, "output_preview": None}
    )
    kept = {"step": "tests", "prompt": None, "record": RECORD, "partial": "Two bugs so far: a"}
    chosen = AttemptDetail.model_validate({**tried.model_dump(), **kept})

    lines = list(closeup.lines(closeup.Closeup(detail, (tried,), chosen, None), Canvas(100), NOW))

    here = then.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    snapshot("closeup-quota", [line.replace(here, "THEN") for line in lines])
    assert "\x1b" not in "".join(lines)


@pytest.mark.parametrize("record", [None, {}, {"wall": {}}, {"agent": {"tools": {}}}])
def test_a_record_that_says_nothing_is_not_shown(record: dict[str, Any] | None) -> None:
    """F55: an attempt of an older worker has none, and no heading over nothing."""
    assert list(told(record)) == []


def test_a_record_of_a_newer_worker_is_told_as_it_is() -> None:
    """P11: what this version does not know is not left out."""
    assert list(told({"seal": "wax", "deep": {"er": [1, {"a": True}]}})) == [
        "seal  wax",
        "er    1, a true",
    ]
    assert list(told(["a", 2])) == ["record  a, 2"]


@pytest.mark.parametrize(
    ("status", "due", "note"),
    [
        ("running", timedelta(minutes=90), "waits for the quota of acme until {}, 1h30"),
        ("running", timedelta(days=3), "waits for the quota of acme until {}, 3d"),
        ("paused", None, "waits for the quota of acme, and for the run to go on"),
    ],
)
def test_the_table_says_who_lets_a_step_wait(status: str, due: timedelta | None, note: str) -> None:
    """F52: with provider and time; and it is not among what failed."""
    until = None if due is None else NOW + due
    quota = QuotaWait(provider="acme", until=until)
    error = ErrorText(code="quota_exhausted", message="usage limit reached")
    step = a_step(0, "tests", attempt=1, delayed=True, error=error, quota=quota, due_at=until)
    seen = show.Seen(a_run(status=status), (step,), (), {})

    lines = list(show.page(seen, NOW, Canvas(140)))

    near = due is not None and due < timedelta(days=1)
    at = "" if until is None else until.astimezone().strftime("%H:%M" if near else "%Y-%m-%d %H:%M")
    assert note.format(at) in lines[-1]
    assert not any("what they said" in line for line in lines)
