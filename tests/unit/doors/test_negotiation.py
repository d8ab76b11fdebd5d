"""What is sent: report formats by Accept, streams by Accept, unchanged things not at all."""

from __future__ import annotations

import pytest

from flowrunner.api.etags import matches
from flowrunner.api.events import is_stream
from flowrunner.api.preferring import wished
from flowrunner.api.reports import negotiate


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("*/*", "md"),
        ("text/html, */*;q=0.8", "html"),
        ("application/json", "json"),
        ("application/json;q=0.5, text/markdown;q=0.4", "json"),
        ("application/*", "json"),
        ("application/sarif+json, application/json;q=0.9", "sarif"),
        ("text/markdown;q=0, */*", "json"),
        ("text/*", "md"),
        ("text/html", "html"),
        ("image/png", None),
        ("", None),
        ("application/json;q=high", None),
    ],
)
def test_accept_chooses_the_format(accept: str, expected: str | None) -> None:
    """The best liked format that we have; of equals the first of ours."""
    assert negotiate(accept) == expected


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("text/event-stream", True),
        ("Text/Event-Stream; charset=utf-8", True),
        ("application/json, text/event-stream;q=0.9", True),
        ("text/event-stream;q=0", False),
        ("text/event-stream; q=0.0", False),
        ("text/event-stream;q=0.001", True),
        ("*/*", False),
        ("text/*", False),
    ],
)
def test_a_stream_is_asked_for_by_name(accept: str, *, expected: bool) -> None:
    """Who accepts anything gets a page, which ends."""
    assert is_stream(accept) is expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, False),
        ('W/"1-2"', True),
        ('"1-2"', True),
        ('"0", W/"1-2"', True),
        ("*", True),
        ('W/"1-3"', False),
        ("1-2", False),
    ],
)
def test_etags_compare_weakly(given: str | None, *, expected: bool) -> None:
    """If-None-Match asks whether the meaning is the same, not the bytes."""
    assert matches(given, 'W/"1-2"') is expected


@pytest.mark.parametrize(
    ("prefer", "expected"),
    [
        (None, None),
        ("wait=5", 5),
        ("respond-async, Wait = 5", 5),
        ('wait="5"', 5),
        ("wait=0", 0),
        ("wait=61", 60),
        ("wait=" + "9" * 5000, 60),
        ("wait=" + "0" * 5000 + "7", 7),
        ("wait", None),
        ("wait=-1", None),
        ("wait=1.5", None),
        ('wait="5', None),
    ],
    ids=range(12),
)
def test_a_wish_to_wait_is_bounded(prefer: str | None, expected: int | None) -> None:
    """RFC 7240: more than we grant is granted as far as we do; what is no time is no wish."""
    assert wished(prefer) == expected
