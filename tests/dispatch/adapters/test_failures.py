"""What an error's text means; the texts are those of providers and programs, word by word."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.dispatch.adapters.failures import classify, until

NOW = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "failure_class", "code"),
    [
        ("401 scripted error 401", "fatal", "not_authorized"),
        ("Authentication required", "fatal", "not_authorized"),
        ("API Error: 403 Forbidden", "fatal", "not_authorized"),
        ("API key not valid. Please pass a valid API key.", "fatal", "not_authorized"),
        ("Incorrect API key provided: sk-***; Invalid API key", "fatal", "not_authorized"),
        ("400 Incorrect API key provided: sk-***", "fatal", "not_authorized"),
        ('{"error": {"message": "scripted error 400", "code": 400}}', "fatal", "request_refused"),
        ("[API Error: 400 Invalid value: 'tool']", "fatal", "request_refused"),
        ("The model `gpt-9` does not exist or you do not have access", "fatal", "model_unknown"),
        ("404 model 'x' not found, try pulling it first", "fatal", "model_unknown"),
        ("400 This model's maximum context length is 8192 tokens", "fatal", "context_too_large"),
        ("API Error: 400 prompt is too long: 210000 tokens", "fatal", "context_too_large"),
        ("API Error: Request rejected (429) · scripted error 429", "quota", "quota_exhausted"),
        ("exceeded retry limit, last status: 429 Too Many Requests", "quota", "quota_exhausted"),
        ("You exceeded your current quota: insufficient_quota", "quota", "quota_exhausted"),
        ("RESOURCE_EXHAUSTED", "quota", "quota_exhausted"),
        ("Credit balance is too low", "quota", "quota_exhausted"),
        ("Claude AI usage limit reached|1795204800", "quota", "quota_exhausted"),
        ("API Error: 500 scripted error 500.", "transient", "provider_unavailable"),
        ("529 overloaded_error: Overloaded", "transient", "provider_unavailable"),
        ("terminated (cause: UND_ERR_SOCKET: other side closed)", "transient", "provider_unavailable"),
        ("stream disconnected before completion", "transient", "provider_unavailable"),
        ("We\u2019re currently experiencing high demand", "transient", "provider_unavailable"),
        ("connect ECONNREFUSED 127.0.0.1:1", "transient", "provider_unavailable"),
        ("TypeError: x is undefined", "transient", "agent_failed"),
        ("at listOnTimeout (node:internal/timers:404:17)", "transient", "agent_failed"),
        ("v2.401.3 at line 4290", "transient", "agent_failed"),
        ("", "transient", "agent_failed"),
    ],
)  # fmt: skip
def test_a_text_has_a_class(text: str, failure_class: str, code: str) -> None:
    """P9, F30: what passes is tried again, what does not is told, a quota is waited for."""
    failure = classify(text, NOW)

    assert (failure.failure_class, failure.code) == (failure_class, code)
    assert failure.is_known is (code != "agent_failed")


@pytest.mark.parametrize(
    ("status", "failure_class"),
    [(400, "fatal"), (401, "fatal"), (404, "fatal"), (413, "fatal"), (429, "quota"), (503, "transient")],
)  # fmt: skip
def test_a_status_counts_more_than_words(status: int, failure_class: str) -> None:
    """F30: where it is told apart nothing has to be guessed."""
    assert classify("something", NOW, status).failure_class == failure_class


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Please try again in 20s.", 20),
        ("Rate limit reached. Please try again in 6m0s.", 360),
        ("try again in 1.5 seconds", 1.5),
        ("try again in 250ms", 0.25),
        ("You've hit your usage limit. Try again in 3 days 2 hours 5 minutes.", 266_700),
        ("try again in 1 hour and 10 minutes", 4200),
        ('"retryDelay": "37s"', 37),
        ("Retry-After: 120", 120),
        ("retry after 5 minutes", 300),
        ("Claude AI usage limit reached|1795377600", 86_400),
        ("Claude AI usage limit reached|1795377600000", 86_400),
        ("limit will reset at 2026-11-21T21:30:00Z", 5400),
        ("resets at 2026-11-21 22:00:00+01:00", 3600),
        ("You've hit your limit · resets 11pm (UTC)", 10_800),
        ("resets 3:30am (UTC)", 27_000),
    ],
)
def test_until_when(text: str, seconds: float) -> None:
    """F52: however a provider says it."""
    assert until(text, NOW) == NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    [
        "try again later",
        "usage limit reached|1595204800",
        "resets at 2025-01-01T00:00:00Z",
        "resets at 2199-01-01T00:00:00Z",
        "resets at 2026-99-99T00:00:00Z",
        "resets 3:99pm (UTC)",
        "try again in 9999999 days",
        "Retry-After: Wed, 21 Oct 2026 07:28:00 GMT",
        "",
    ],
)
def test_what_says_nothing_useful_says_nothing(text: str) -> None:
    """F52: the past and the day after never are no announcements."""
    assert until(text, NOW) is None


@given(st.text(max_size=300))
def test_no_text_raises(text: str) -> None:
    """P11: whatever a provider writes."""
    assert classify(f"429 try again in {text} resets at {text}", NOW).failure_class == "quota"


@given(st.integers(0, 10**12), st.sampled_from(["days", "h", "ms", "seconds"]))
def test_no_amount_raises(amount: int, unit: str) -> None:
    """P11: nor however long it says that it will take."""
    found = until(f"try again in {amount} {unit}", NOW)

    assert found is None or NOW < found <= NOW + timedelta(days=35)
