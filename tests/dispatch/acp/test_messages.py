"""What is a message becomes a value, and what is none is noise; nothing raises."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.dispatch.acp.framing import Line
from flowrunner.dispatch.acp.messages import (
    Incoming,
    Noise,
    Notice,
    Refusal,
    Reply,
    Request,
    count_at,
    encode,
    parse,
    section,
    text_at,
    written,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"id":1,"result":{"a":1}}', Reply(1, {"a": 1})),
        ('{"id":"x","result":null}', Reply("x", {})),
        ('{"id":0,"method":"m","params":{"a":1}}', Request(0, "m", {"a": 1})),
        ('{"id":0,"method":"m"}', Request(0, "m", {})),
        ('{"method":"m","params":[1]}', Notice("m", {})),
        ('{"id":null,"method":"m"}', Notice("m", {})),
        ('{"id":2,"error":{"code":-1,"message":"no"}}', Refusal(2, -1, "no")),
        ('{"id":2,"error":{"code":1,"message":"no","data":{"d":"x"}}}', Refusal(2, 1, "no", '{"d": "x"}')),
        ('{"id":2,"error":"odd"}', Refusal(2, 0, '"odd"')),
        ('{"id":true,"result":1}', Noise('{"id":true,"result":1}')),
        ("{}", Noise("{}")),
        ("[]", Noise("[]")),
        ("Loading...", Noise("Loading...")),
        ('{"id":1,"resu', Noise('{"id":1,"resu')),
        ("3", Noise("3")),
    ],
)  # fmt: skip
def test_one_line_is_one_message(text: str, expected: Incoming) -> None:
    """Replies, errors, requests and notices in every odd form; all else is kept as noise."""
    assert parse(Line(text.encode())) == [expected]


def test_a_batch_is_several() -> None:
    """JSON-RPC allows a list of messages on a line."""
    assert parse(Line(b'[{"method":"a"},{"id":1,"result":{}},7]'))[:2] == [
        Notice("a", {}),
        Reply(1, {}),
    ]


@given(st.binary(max_size=200), st.integers(0, 1) | st.just(10**9))
def test_no_line_raises(body: bytes, dropped: int) -> None:
    """P11: whatever stands on stdout, it is one of the five."""
    assert parse(Line(body, dropped))


def test_depth_is_no_danger() -> None:
    """Brackets within brackets by the hundred thousand are noise."""
    assert isinstance(parse(Line(b"[" * 200_000))[0], Noise)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b'{"jsonrpc":"2.0","id":3,"result":{"x":"', Refusal),
        (b'{"id":"a-1","method":"session/request_permission","params":{"', Request),
        (b'{"method":"session/update","params":{"', Noise),
        (b"xxxxxxxxxxxxxxxxxx", Noise),
    ],
)
def test_nobody_waits_for_a_line_that_was_too_long(head: bytes, expected: type) -> None:
    """P11: its head says whose answer was lost, or who wants one; the cut is marked."""
    (found,) = parse(Line(head, 12_345))

    assert isinstance(found, expected)
    if isinstance(found, Refusal):
        assert "12345 more bytes" in found.message
    if isinstance(found, Noise):
        assert found.dropped_bytes == 12_345


def test_what_can_just_be_read_need_not_be_shown() -> None:
    """P11: writing may go deeper than reading did; that ends nothing."""
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]

    assert written(deep) == "[flowrunner: nested too deeply to be shown]"
    assert written({"a": "\ud800"}) == '{"a": "\ufffd"}'
    while deep:  # Python itself would recurse to free it.
        deep = deep.pop()


def test_noise_is_cut_with_a_mark() -> None:
    """P11: a page of noise is not a page of transcript."""
    (noise,) = parse(Line(b"n" * 10_000))

    assert isinstance(noise, Noise)
    assert len(noise.text) <= 500
    assert "more characters]" in noise.text


def test_what_is_sent_is_one_line() -> None:
    """Line ends within a prompt do not end a message."""
    body = encode({"id": 1, "method": "m", "params": {"text": "a\nb\u2028ä"}})

    assert body.count(b"\n") == 1
    assert json.loads(body)["params"]["text"] == "a\nb\u2028ä"


def test_looking_into_the_unknown() -> None:
    """What is not there or of another kind reads as nothing, not as an error."""
    value = {"a": {"b": {"c": 1, "t": "x\0"}}, "n": True, "f": 2.9, "neg": -1, "huge": 1e300}

    assert section(value, "a", "b") == {"c": 1, "t": "x\0"}
    assert section(value, "a", "x", "y") == {}
    assert section([1], "a") == {}
    assert text_at(section(value, "a", "b"), "c", "t") == "x\ufffd"
    assert [count_at(value, name) for name in ("n", "f", "neg", "huge")] == [None, 2, None, None]
