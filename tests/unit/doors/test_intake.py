"""What a JSON body may hold, and that everything wrong with it is told at once."""

from __future__ import annotations

import json

import pytest

from flowrunner.api.intake import MOST_DEPTH, MOST_VALUES, Bounds, bounds_of, check_body

LENIENT = Bounds(lenient=True)


def told(body: str | bytes, bounds: Bounds | None = None) -> list[tuple[str, str | None]]:
    """Return code and pointer of every problem; `invalid-json` stands for a body that is none."""
    given = body if isinstance(body, bytes) else body.encode()
    refusal = check_body(given, bounds or Bounds())
    if refusal is None:
        return []
    return [(entry.code, entry.pointer) for entry in refusal.entries] or [("invalid-json", None)]


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"a": [1, 2.5, true, null, "ä😀"]}', []),
        (r'{"a": "\u0000"}', [("unstorable-text", "/a")]),
        (r'{"a": ["x", {"b/c": "\ud800"}]}', [("unstorable-text", "/a/1/b~1c")]),
        (r'{"a": "\ud83d\ude00"}', []),
        (r'{"a\u0000": 1}', [("unstorable-text", "")]),
        (r'{"a": "\u0000", "b": "\u0000"}', [("unstorable-text", "/a"), ("unstorable-text", "/b")]),
        ('{"a": 9223372036854775807}', []),
        ('{"a": 9223372036854775808}', [("number-too-large", "/a")]),
        ('{"a": -1e400}', [("number-too-large", "/a")]),
        ('{"a": 1, "a": 2}', [("repeated-key", None)]),
        (nested(MOST_DEPTH), []),
        (nested(MOST_DEPTH + 1), [("too-deep", "/0" * MOST_DEPTH)]),
        (nested(200_000), [("too-deep", "")]),
        ('{"a": NaN}', [("invalid-json", None)]),
        ('{"a": Infinity}', [("invalid-json", None)]),
        ('{"a": ' + "1" * 5000 + "}", [("number-too-large", "/a")]),
        ('{"a": 1', [("invalid-json", None)]),
        ("", [("invalid-json", None)]),
        (b'{"a": "\xff"}', [("invalid-json", None)]),
        ('{"a": 1}'.encode("utf-16"), [("invalid-json", None)]),
        (b"\xef\xbb\xbf{}", [("invalid-json", None)]),
    ],
    ids=range(21),
)
def test_a_body_is_refused_with_every_place(
    body: str | bytes, expected: list[tuple[str, str | None]]
) -> None:
    """S8: what PostgreSQL or UTF-8 cannot hold is a problem with a pointer, never a crash."""
    assert told(body) == expected


def test_too_many_values_are_refused() -> None:
    """S9: a body of millions of tiny values would keep everybody waiting."""
    assert told(json.dumps([0] * MOST_VALUES)) == [("too-many-values", None)]
    assert told(json.dumps([0] * (MOST_VALUES - 1))) == []


def test_what_agents_said_is_not_refused() -> None:
    """S8: results are kept whatever they hold; their reader replaces characters and marks it."""
    body = r'{"output": "\u0000\ud800", "usage": {"input_tokens": 99999999999999999999}}'

    assert told(body, LENIENT) == [("number-too-large", "/usage/input_tokens")]


@pytest.mark.parametrize(
    ("path", "is_large"),
    [
        ("/api/v1/tasks/x.0.1/result", True),
        ("/api/v1/tasks/x.0.1/transcript", True),
        ("/api/v1/tasks/claim", False),
        ("/api/v1/tasks/a/b/result", False),
        ("/api/v1/flows/x/runs", False),
        ("/api/v1/tasks/x/result/more", False),
    ],
)
def test_only_results_may_be_large(path: str, *, is_large: bool) -> None:
    """S9: everything else is bounded by a megabyte."""
    assert (bounds_of(path).most_bytes > 1_000_000) is is_large
