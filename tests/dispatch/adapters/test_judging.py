"""What came of a turn, agent by agent; the shapes are what the pinned versions were seen to say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dispatch.adapters.turns import (
    ENDED,
    a_headless_turn,
    a_result,
    a_turn,
    ended_well,
    refused,
)
from flowrunner.dispatch.acp.events import Denied
from flowrunner.dispatch.acp.turn import Turn
from flowrunner.dispatch.adapters.judging import Judgement, judge_turn
from flowrunner.dispatch.adapters.table import ADAPTERS
from flowrunner.dispatch.process import ProcessLimits

NOW = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)
USED = {"inputTokens": 100, "outputTokens": 20, "totalTokens": 120}
WARNING = (
    "Warning: Model metadata for `m` not found. Defaulting to fallback metadata; this can "
    "degrade performance and cause issues.\n\n"
)
DISABLED = "Info: Disabled tools: bash, create, edit"
QWEN_USED: dict[str, Any] = {
    "sessionUpdate": "agent_message_chunk",
    "content": {"type": "text", "text": ""},
    "_meta": {"usage": USED},
}
QUOTA = {"_meta": {"quota": {"token_count": {"input_tokens": 100, "output_tokens": 20}}}}


def judged(agent: str, turn: Turn) -> Judgement:
    return judge_turn(7, turn, ADAPTERS[agent], ProcessLimits(total_seconds=9), now=NOW)


GOOD: list[tuple[str, Turn]] = [
    ("qwen", a_turn("qwen", "All well.", QWEN_USED, **ended_well())),
    ("codex", a_turn("codex", WARNING, "All well.", **ended_well(usage=USED))),
    ("claude", a_turn("claude", "All well.", **ended_well(usage=USED))),
    ("gemini", a_turn("gemini", "[MODE_UPDATE] plan", "All well.", **ended_well(**QUOTA))),
    ("opencode", a_turn("opencode", "All well.", **ended_well(usage=USED))),
    ("copilot", a_turn("copilot", DISABLED, "All well.", **ended_well(usage=USED))),
]


@pytest.mark.parametrize(("agent", "turn"), GOOD, ids=[agent for agent, _ in GOOD])
def test_an_answer_with_tokens_is_a_success(agent: str, turn: Turn) -> None:
    """P9, F49: the answer without the program's own words, and the tokens from their place."""
    report = judged(agent, turn).report

    assert (report.outcome, report.output, report.epoch) == ("completed", "All well.", 7)
    assert (report.usage.input_tokens, report.usage.output_tokens) == (100, 20)
    assert report.usage.seconds == 1.5


ABOUT = (
    "The client prints 'API Error: 500' and [API Error: x] to stderr, see a.py:7.",
    'It says {"error": {"code": 1}}, then: stream disconnected before completion, twice.',
    "Error handling: Invalid API key and usage limit reached look alike. We are fine.",
    '[{"quote": "[API Error: 500 x]"}]',
    "Warning: the log has [MODE_UPDATE] plan in it. Info: Disabled tools: none",
)


@pytest.mark.parametrize("agent", [agent for agent, _ in GOOD])
@pytest.mark.parametrize("answer", ABOUT, ids=range(len(ABOUT)))
def test_an_answer_about_an_error_is_an_answer(agent: str, answer: str) -> None:
    """P9, P11: reviews of programs like these quote their words, and lose none of them."""
    reply = {"stopReason": "end_turn", "usage": USED, **QUOTA}
    report = judged(agent, a_turn(agent, answer, QWEN_USED, reply=reply)).report

    assert (report.error, report.output) == (None, answer)


BAD: list[tuple[str, str, Turn, tuple[str, str]]] = [
    # An HTTP status, as each of them passes it on.
    ("qwen", "401", a_turn("qwen", **refused(-32603, "Internal error", '{"details": "401 scripted error 401"}')), ("not_authorized", "fatal")),
    ("qwen", "cut", a_turn("qwen", "partial ", **refused(-32603, "Internal error", '{"details": "terminated"}')), ("provider_unavailable", "transient")),
    ("codex", "401", a_turn("codex", **refused(-32000, "Authentication required")), ("not_authorized", "fatal")),
    ("codex", "400", a_turn("codex", WARNING, '{"error": {"message": "scripted error 400", "code": 400}}\n\n', **ended_well(usage=None)), ("request_refused", "fatal")),
    ("codex", "429", a_turn("codex", "exceeded retry limit, last status: 429 Too Many Requests\n\n", **ended_well(usage=None)), ("quota_exhausted", "quota")),
    ("codex", "500", a_turn("codex", "We\u2019re currently experiencing high demand, which may cause temporary errors.\n\n", **ended_well(usage=None)), ("provider_unavailable", "transient")),
    ("codex", "cut", a_turn("codex", "partial ", "stream disconnected before completion: Transport error", **ended_well(usage=None)), ("provider_unavailable", "transient")),
    ("claude", "401", a_turn("claude", "Failed to authenticate. API Error: 401 x", **refused(-32000, "Authentication required")), ("not_authorized", "fatal")),
    ("claude", "400", a_turn("claude", **refused(-32603, "Internal error: API Error: 400 scripted error 400", '{"errorKind": "unknown"}')), ("request_refused", "fatal")),
    ("claude", "429", a_turn("claude", **refused(-32603, "Internal error: API Error: Request rejected (429)", '{"errorKind": "rate_limit"}')), ("quota_exhausted", "quota")),
    ("claude", "500", a_turn("claude", **refused(-32603, "Internal error: API Error: 500 scripted error 500.", '{"errorKind": "server_error"}')), ("provider_unavailable", "transient")),
    ("claude", "told as text", a_turn("claude", "API Error: 500 later", **ended_well(usage=USED)), ("provider_unavailable", "transient")),
    ("claude", "limit", a_turn("claude", "Claude AI usage limit reached|1795204800", **ended_well(usage=USED)), ("quota_exhausted", "quota")),
    ("gemini", "401", a_turn("gemini", **refused(401, '{"error":{"message":"no"}}')), ("not_authorized", "fatal")),
    ("gemini", "cut", a_turn("gemini", **refused(500, "terminated")), ("provider_unavailable", "transient")),
    ("opencode", "401", a_turn("opencode", **refused(-32603, "Internal error: Invalid API key", '{"errorName": "APIError"}')), ("not_authorized", "fatal")),
    ("copilot", "401", a_turn("copilot", DISABLED, "Error: Authentication failed with provider at http://h/v1 (HTTP 401).", **ended_well()), ("not_authorized", "fatal")),
    ("copilot", "400", a_turn("copilot", "Error: 400 scripted error 400", **ended_well()), ("request_refused", "fatal")),
    ("copilot", "500", a_turn("copilot", "Error: Failed to get response from the AI model; retried 5 times Last error: 500", **ended_well()), ("provider_unavailable", "transient")),
    # Ends that are none.
    ("codex", "denied", a_turn("codex", "I will write.", reply={"stopReason": "cancelled", "usage": USED}), ("gave_up", "contract")),
    ("claude", "refusal", a_turn("claude", "I cannot help.", reply={"stopReason": "refusal", "usage": USED}), ("refused", "contract")),
    ("claude", "max", a_turn("claude", "half", reply={"stopReason": "max_tokens", "usage": USED}), ("answer_cut", "contract")),
    ("claude", "turns", a_turn("claude", "half", reply={"stopReason": "max_turn_requests", "usage": USED}), ("answer_cut", "contract")),
    ("claude", "a new reason", a_turn("claude", "half", reply={"stopReason": "bored", "usage": USED}), ("ended_oddly", "contract")),
    ("claude", "no reason", a_turn("claude", "half", reply={"usage": USED}), ("ended_oddly", "contract")),
    # Answers that are none.
    ("claude", "refusal in words", a_turn("claude", "I'm sorry, but I can't help with that.", **ended_well(usage=USED)), ("refused", "contract")),
    ("claude", "empty", a_turn("claude", **ended_well(usage=USED)), ("empty_answer", "contract")),
    ("claude", "blank", a_turn("claude", " \n", **ended_well(usage=USED)), ("empty_answer", "contract")),
    ("gemini", "notice only", a_turn("gemini", "[MODE_UPDATE] plan", **ended_well(**QUOTA)), ("empty_answer", "contract")),
    ("qwen", "no tokens told", a_turn("qwen", "No bugs.", **ended_well()), ("no_output_tokens", "transient")),
    ("claude", "zero tokens", a_turn("claude", "No bugs.", **ended_well(usage={"inputTokens": 9, "outputTokens": 0})), ("no_output_tokens", "transient")),
    ("copilot", "an error in new words", a_turn("copilot", "Oops: please log in first", **ended_well()), ("not_authorized", "fatal")),
    # Gone without a word.
    ("qwen", "exit 0 in the middle", a_turn("qwen", "All w", stage="asking"), ("stream_cut", "transient")),
    ("gemini", "exit 0 on SIGTERM", a_turn("gemini", stage="greeting"), ("stream_cut", "transient")),
    ("qwen", "killed", a_turn("qwen", stage="asking", ended=replace(ENDED, exit_code=None, signal=9)), ("stream_cut", "transient")),
    ("qwen", "said why", a_turn("qwen", stage="asking", ended=replace(ENDED, exit_code=1, stderr_tail="Error: 401 no")), ("not_authorized", "fatal")),
    ("qwen", "chatted", a_turn("qwen", stage="asking", ended=replace(ENDED, exit_code=None, signal=9, stderr_tail="authenticated")), ("stream_cut", "transient")),
    ("qwen", "half, then an error", a_turn("qwen", "I think [API Error: 500 no]", QWEN_USED, **ended_well()), ("provider_unavailable", "transient")),
    ("qwen", "not there", a_turn("qwen", stage="greeting", ended=replace(ENDED, cause="not_started", errno=2)), ("agent_not_started", "fatal")),
    # Ended by us.
    ("qwen", "stopped", a_turn("qwen", "half", stage="asking", why="stopped"), ("agent_stopped", "transient")),
    ("codex", "cancelled", a_turn("codex", "half", reply={"stopReason": "cancelled"}, why="stopped"), ("agent_stopped", "transient")),
    ("qwen", "late", a_turn("qwen", "half", stage="asking", why="timeout_total"), ("timeout_total", "transient")),
    ("qwen", "silent", a_turn("qwen", "half", stage="asking", why="timeout_idle"), ("timeout_idle", "transient")),
    ("qwen", "flood", a_turn("qwen", stage="asking", ended=replace(ENDED, cause="output_flood")), ("output_flood", "fatal")),
    ("qwen", "worker gone", a_turn("qwen", stage="asking", ended=replace(ENDED, cause="worker_silent")), ("worker_silent", "transient")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("agent", "turn", "expected"),
    [(agent, turn, expected) for agent, _, turn, expected in BAD],
    ids=[f"{agent}: {case}" for agent, case, _, _ in BAD],
)
def test_all_else_is_a_failure(agent: str, turn: Turn, expected: tuple[str, str]) -> None:
    """P9, F30: whatever the exit code and the stop reason say, it fails in the right class."""
    report = judged(agent, turn).report

    assert (report.outcome, report.output) == ("failed", None)
    assert report.error is not None
    assert (report.error.code, report.error.failure_class) == expected, report.error.message


HEADLESS: list[tuple[str, str, Turn, tuple[str, str]]] = [
    ("qwen", "401", a_headless_turn("qwen", a_result(subtype="error_during_execution", is_error=True, error={"message": "[API Error: 401 no]"}, usage={"input_tokens": 0, "output_tokens": 0})), ("not_authorized", "fatal")),
    ("claude", "success and error", a_headless_turn("claude", a_result(is_error=True, result="API Error: 500 no", terminal_reason="api_error")), ("provider_unavailable", "transient")),
    ("claude", "429", a_headless_turn("claude", a_result(is_error=True, result="slow down", api_error_status=429)), ("quota_exhausted", "quota")),
    ("claude", "zero tokens", a_headless_turn("claude", a_result(result="No bugs.", usage={"input_tokens": 1, "output_tokens": 0})), ("no_output_tokens", "transient")),
    ("claude", "empty", a_headless_turn("claude", a_result(result="", usage={"input_tokens": 1, "output_tokens": 3})), ("empty_answer", "contract")),
    ("qwen", "in band", a_headless_turn("qwen", a_result(result="I looked. [API Error: 500 no]", usage={"input_tokens": 1, "output_tokens": 3})), ("provider_unavailable", "transient")),
    ("qwen", "no result: 53", a_headless_turn("qwen", ended=replace(ENDED, exit_code=53, stderr_tail="Reached max session turns")), ("stream_cut", "transient")),
    ("claude", "max turns", a_headless_turn("claude", a_result(subtype="error_max_turns", usage={"input_tokens": 1, "output_tokens": 3})), ("ended_oddly", "contract")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("agent", "turn", "expected"),
    [(agent, turn, expected) for agent, _, turn, expected in HEADLESS],
    ids=[f"{agent}: {case}" for agent, case, _, _ in HEADLESS],
)
def test_headless_failures(agent: str, turn: Turn, expected: tuple[str, str]) -> None:
    """P9, F30: `subtype: success` and exit code 0 may both be said of an error."""
    report = judged(agent, turn).report

    assert report.error is not None
    assert (report.error.code, report.error.failure_class) == expected, report.error.message


def test_a_headless_answer() -> None:
    """P9, F49: the result, its tokens, and what was denied on the way."""
    turn = a_headless_turn(
        "qwen",
        a_result(
            result="All well.",
            usage={"input_tokens": 100, "output_tokens": 20, "total_tokens": 120},
            permission_denials=[{"tool_name": "write_file"}],
        ),
    )
    report = judged("qwen", turn).report

    assert (report.outcome, report.output, report.usage.input_tokens) == (
        "completed",
        "All well.",
        100,
    )
    assert turn.recorder.denials == [Denied("write_file", "edit")]


def test_an_answer_that_was_there_is_not_lost() -> None:
    """P3: one that had answered when it was ended has answered."""
    for why in ("stopped", "timeout_total"):
        turn = a_turn("claude", "All well.", **ended_well(usage=USED), why=why)
        assert judged("claude", turn).report.outcome == "completed"
    ended = replace(ENDED, cause="stopped", exit_code=None, signal=15)
    turn = a_turn("claude", "All well.", **ended_well(usage=USED), ended=ended)
    assert judged("claude", turn).report.outcome == "completed"


def test_a_quota_says_until_when() -> None:
    """F52: the moment is told apart from the report."""
    turn = a_turn("codex", "You've hit your usage limit. Try again in 2 hours.", **ended_well())
    judgement = judged("codex", turn)

    assert judgement.quota_until == NOW + timedelta(hours=2)
    assert judgement.report.error is not None
    assert judgement.report.error.failure_class == "quota"


def test_what_was_denied_is_named() -> None:
    """P8, F54: an agent that gives up on a denial says on which."""
    turn = a_turn("codex", reply={"stopReason": "cancelled", "usage": USED})
    turn.recorder.take(Denied("Edit files", "edit"), 0.0)
    report = judged("codex", turn).report

    assert report.error is not None
    assert "Edit files" in report.error.message
    assert report.usage.output_tokens == 20


def test_what_is_kept_with_the_attempt() -> None:
    """P8, F54: which program in which version, what it used, and what it was denied."""
    turn = a_turn(
        "codex",
        {"sessionUpdate": "tool_call", "toolCallId": "1", "kind": "read", "status": "completed"},
        "Well.",
        **ended_well(usage=USED),
        agent_version="2.6.0",
    )
    turn.recorder.take(Denied("Edit files", "edit", "2"), 0.0)

    assert judged("codex", turn).record == {
        "agent": "codex",
        "version": "2.6.0",
        "stage": "answered",
        "stop_reason": "end_turn",
        "tools": {"read": 1},
        "tools_not_kept": 0,
        "denials": ["edit: Edit files"],
        "denial_count": 1,
    }
    assert judged("qwen", a_turn("qwen", stage="greeting")).record["version"] == "0.24.4"


def test_a_failure_costs_too() -> None:
    """F49: tokens of an attempt that failed are accounted."""
    turn = a_turn("qwen", QWEN_USED, **refused(-32603, "Internal error", "500"))

    assert judged("qwen", turn).report.usage.output_tokens == 20


def test_a_long_answer_says_that_it_was_cut() -> None:
    """P11: in the report and in the text."""
    turn = a_turn("claude", "x" * 20_000, **ended_well(usage=USED))
    report = judged("claude", turn).report

    assert report.truncated_bytes == 10_000
    assert (report.output or "").endswith("10000 more bytes]")
