"""What a provider or a model says instead of an answer, and what only sounds like it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.evidence.excuses import LONGEST_LINE, is_error, is_excuse, is_refusal

ERRORS = [
    "API Error: 429 rate_limit_error: usage limit reached, resets at 3pm",
    'API Error: 529 {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}',
    "API Error: Request timed out.",
    "API Error: 500",
    "Failed to authenticate. API Error: 401 Unauthorized",
    "[API Error: You exceeded your current quota, please check your plan (Status: 429)]",
    "Error: 503 Service Unavailable",
    "Error code: 401 - {'error': {'message': 'Incorrect API key provided'}}",
    "429 Too Many Requests",
    "Claude AI usage limit reached|1763766000",
    "You've hit your usage limit. Upgrade to Pro or try again in 3 days 2 hours.",
    "You\u2019ve hit your limit · resets 3pm (UTC)",
    "5-hour limit reached ∙ resets 3pm",
    "Rate limit exceeded.",
    "Credit balance is too low",
    "Invalid API key · Please run /login",
    "stream disconnected before completion: error sending request for url",
    "unexpected status 502 Bad Gateway: upstream",
    "exceeded retry limit, last status: 429 Too Many Requests",
    "fetch failed",
    "  Connection error.\n",
    '{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}',
    '{"error": {"code": 429, "message": "Quota exceeded", "status": "RESOURCE_EXHAUSTED"}}',
    '{"error": {"message": "Incorrect API key", "type": "invalid_request_error"}}',
]
REFUSALS = [
    "I cannot help with that.",
    "I cannot help with that",
    "I'm sorry, but I can't assist with that request.",
    "I\u2019m sorry, I can\u2019t help with this.",
    "Sorry, I am unable to comply with your request.",
    "Unfortunately, I'm not able to help with that.",
    "I won't do that.",
    "I am sorry, but I cannot complete this task.",
    "I must decline to answer.",
]
ANSWERS = [
    "API Error: 429 is what the client gets when it retries without a pause.",
    "API Error: 429 rate_limit_error: raised at src/client.py:12, and nobody catches it.",
    "API errors are swallowed.",
    "Error: 503 Service Unavailable is retried three times; see `client.get`.",
    "Rate limit exceeded errors are swallowed by the client.",
    "Rate limits are not enforced.",
    "The log says: API Error: 429 rate_limit_error: usage limit reached",
    "Quota exceeded is mapped to 402.",
    "You've hit your usage limit of three, says the page.",
    "fetch failed in three of ten tests",
    "429",
    "no",
    "",
    "I cannot help with that. But the second file holds a race: see main.go.",
    "I cannot find anything wrong with this change.",
    "I can't reproduce the failure.",
    "The bot answers 'I cannot help with that.' to every question.",
    "I cannot help but notice the missing lock.",
    '{"error": {"message": "x"}, "findings": []}',
    '{"errors": []}',
    '{"error": "division by zero", "code": 3}',
    '{"error": {"message": "division by zero", "line": 3}}',
    '{"error": null, "type": "error"}',
    '{"type": "error", "message": "x"}',
    '{"error": ',
    '["error"]',
    "API Error: 429 rate_limit_error: usage limit reached\nThis line of the log shows the cause.",
]


@pytest.mark.parametrize("text", ERRORS)
def test_a_message_of_a_provider_is_an_error(text: str) -> None:
    """P9, F11: as programs print it where an answer should be."""
    assert is_error(text)
    assert not is_refusal(text)


@pytest.mark.parametrize("text", REFUSALS)
def test_a_sentence_that_refuses_is_a_refusal(text: str) -> None:
    """P9: nothing was looked at."""
    assert is_refusal(text)
    assert not is_error(text)


@pytest.mark.parametrize("text", ANSWERS)
def test_whoever_talks_about_one_answers(text: str) -> None:
    """P9, the other way round: paid work is not thrown away because of a word in it."""
    assert not is_excuse(text)


@pytest.mark.parametrize("text", [*ERRORS, *REFUSALS])
def test_with_anything_beside_it_it_is_an_answer(text: str) -> None:
    """Only the whole of a text counts."""
    assert not is_excuse(f"The job printed this:\n\n{text}")
    assert not is_excuse(f"{text}\n\nIt comes from `retry.py`, which gives up too early.")


@given(st.text(min_size=LONGEST_LINE + 1, max_size=LONGEST_LINE * 2))
def test_what_is_long_says_more(text: str) -> None:
    """A message is short; an object that is none is no object."""
    assert not is_excuse(f"I cannot help with that {text}x")


@given(st.text(max_size=60))
def test_any_text_can_be_looked_at(text: str) -> None:
    """It never raises, and blanks around it change nothing."""
    assert is_excuse(text) == is_excuse(f"\n{text.strip()}  ")


def test_deep_and_large_objects_are_let_be() -> None:
    """What would take long to read is no message."""
    assert not is_error("{" * 3000)
    assert not is_error(json.dumps({"type": "error", "error": {"message": "x" * 5000}}))
