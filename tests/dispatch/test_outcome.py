"""What an agent's end means, as a table."""

from __future__ import annotations

from errno import EAGAIN, ENOENT
from typing import Any, get_args

import pytest

from flowrunner.dispatch.capture import Captured
from flowrunner.dispatch.outcome import judge
from flowrunner.dispatch.process import Cause, Ended, ProcessLimits

LIMITS = ProcessLimits(total_seconds=60, idle_seconds=5)


@pytest.mark.parametrize(
    ("ended", "code", "failure_class", "message"),
    [
        ({"exit_code": 0}, "empty_answer", "contract", "gave no answer"),
        ({"exit_code": 0, "output": Captured(" \n ")}, "empty_answer", "contract", "no answer"),
        ({"exit_code": 1}, "agent_failed", "transient", "exit code 1"),
        ({"exit_code": 1, "output": Captured("said")}, "agent_failed", "transient", "exit code 1"),
        ({"exit_code": 64}, "agent_failed", "fatal", "exit code 64"),
        ({"exit_code": 127}, "agent_failed", "fatal", "exit code 127"),
        ({"exit_code": 75}, "quota_exhausted", "quota", "no quota left"),
        ({"signal": 9}, "agent_killed", "transient", "ended by SIGKILL"),
        ({"cause": "timeout_total"}, "timeout_total", "transient", "longer than 60 s"),
        (
            {"cause": "timeout_total", "exit_code": 0, "output": Captured("half an answer")},
            "timeout_total",
            "transient",
            "longer than 60 s",
        ),
        ({"cause": "timeout_idle"}, "timeout_idle", "transient", "silent for 5 s"),
        ({"cause": "output_flood"}, "output_flood", "fatal", "without end"),
        ({"cause": "worker_silent"}, "worker_silent", "transient", "no sign for 8 s"),
        ({"cause": "supervisor_lost"}, "supervisor_lost", "transient", "supervisor died"),
        ({"cause": "stopped"}, "agent_stopped", "transient", "from outside"),
        ({"cause": "killed"}, "agent_stopped", "transient", "from outside"),
        (
            {"cause": "not_started", "errno": ENOENT, "detail": "/x: No such file"},
            "agent_not_started",
            "fatal",
            "/x: No such file",
        ),
        (
            {"cause": "not_started", "errno": EAGAIN, "detail": "later"},
            "agent_not_started",
            "transient",
            "later",
        ),
    ],
)
def test_every_bad_end_is_a_failure(
    ended: dict[str, Any], code: str, failure_class: str, message: str
) -> None:
    """P9, D2-22: each has a code, a class that decides about another attempt, and words."""
    given: dict[str, Any] = {"cause": "ended", "seconds": 1.5, **ended}

    report = judge(7, Ended(**given), LIMITS)

    assert report.error is not None
    assert (report.outcome, report.output, report.epoch) == ("failed", None, 7)
    assert (report.error.code, report.error.failure_class) == (code, failure_class)
    assert message in report.error.message
    assert report.usage.seconds == 1.5


@pytest.mark.parametrize(
    ("said", "code", "failure_class"),
    [
        ("I cannot help with that.\n", "refused", "contract"),
        ("API Error: 429 Too Many Requests, try again in 5 s", "quota_exhausted", "quota"),
        ("You've hit your usage limit. Try again in 3 days.", "quota_exhausted", "quota"),
        ("API Error: 401 Unauthorized", "not_authorized", "fatal"),
        ("Invalid API key \u00b7 Please run /login", "not_authorized", "fatal"),
        ("[API Error: 503 Service Unavailable]", "provider_unavailable", "transient"),
        ('{"type":"error","error":{"message":"Overloaded"}}', "provider_unavailable", "transient"),
    ],
)
def test_an_excuse_alone_is_no_answer(said: str, code: str, failure_class: str) -> None:
    """P9, F11: an agent that ends well and says only why it has nothing to say has failed."""
    ended = Ended(cause="ended", exit_code=0, output=Captured(said), seconds=1.5)

    report = judge(7, ended, LIMITS)

    assert report.error is not None
    assert (report.outcome, report.output, report.partial) == ("failed", None, said)
    assert (report.error.code, report.error.failure_class) == (code, failure_class)
    assert said.strip() in report.error.message


@pytest.mark.parametrize(
    "said",
    [
        "API Error: 429 is what the client sees when it retries without a pause.",
        "Nothing catches this:\n\nAPI Error: 429 Too Many Requests",
        "I cannot help with that. Yet main.py:3 swallows every error.",
        "I cannot find anything wrong.",
        '{"error": "division by zero"}',
    ],
)
def test_an_answer_about_an_excuse_is_an_answer(said: str) -> None:
    """P9: what was paid for is not thrown away because of a word in it."""
    report = judge(7, Ended(cause="ended", exit_code=0, output=Captured(said)), LIMITS)

    assert (report.outcome, report.output) == ("completed", said)


def test_exit_0_with_an_answer_is_a_success() -> None:
    """And nothing else is: output and marks are taken over as they are."""
    report = judge(7, Ended(cause="ended", exit_code=0, output=Captured("x\ufffd", 0, 1)), LIMITS)

    assert (report.outcome, report.output, report.error) == ("completed", "x\ufffd", None)
    assert (report.truncated_bytes, report.replaced_count) == (0, 1)


def test_a_cut_answer_completes_and_says_so() -> None:
    """P11: what was not kept is in the text and in a number."""
    report = judge(7, Ended(cause="ended", exit_code=0, output=Captured("x", 9)), LIMITS)

    assert report.output == "x\n[flowrunner: output truncated, 9 more bytes]"
    assert (report.outcome, report.truncated_bytes) == ("completed", 9)


def test_the_last_words_are_in_the_error() -> None:
    """Why an agent failed is on its stderr, and nobody wants to look for it."""
    report = judge(7, Ended(cause="ended", exit_code=1, stderr_tail="no such model"), LIMITS)

    assert report.error is not None
    assert report.error.message.endswith("; it said last: no such model")


@pytest.mark.parametrize("cause", get_args(Cause))
def test_every_cause_has_a_report(cause: Cause) -> None:
    """P4: however it went, there is something to say, or its run would wait for ever."""
    assert judge(7, Ended(cause=cause), LIMITS).outcome == "failed"
