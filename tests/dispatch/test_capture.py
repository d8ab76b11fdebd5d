"""Whatever bytes an agent writes, what is kept is bounded text that can be stored."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.dispatch.capture import Captured, Decoder, Head, Tail, sanitize
from flowrunner.wire.tasks import Chunk, TaskError, TaskReport, storable

PIECES = st.lists(st.binary(max_size=40), max_size=12)


@pytest.mark.parametrize(
    ("body", "text", "replaced"),
    [
        (b"plain", "plain", 0),
        ("grüße 𝄞".encode(), "grüße 𝄞", 0),
        (b"a\0b", "a\ufffdb", 1),
        (b"caf\xe9!", "caf\ufffd!", 1),
        (b"\xed\xa0\x80", "\ufffd\ufffd\ufffd", 3),
        ("already \ufffd".encode(), "already \ufffd", 0),
        (b"\xf0\x9f\x98", "\ufffd", 1),
    ],
)
def test_what_is_no_text_is_replaced_and_counted(body: bytes, text: str, replaced: int) -> None:
    """P11: invalid UTF-8, NUL and lone surrogates leave a visible mark."""
    assert sanitize(body) == (text, replaced)


@given(st.binary(max_size=200))
def test_everything_sanitized_can_be_stored(body: bytes) -> None:
    """No later door can refuse it: it encodes, and PostgreSQL takes it as text."""
    text, replaced = sanitize(body)

    assert "\0" not in text
    assert text.encode().decode() == text
    assert replaced >= 0


@given(st.text(max_size=50) | st.just("\ud800x\0"))
def test_texts_of_reports_are_storable(text: str) -> None:
    """A foreign dispatcher's strings pass the same door."""
    error = TaskError(code="x", message=text)
    chunk = Chunk(seq=0, kind="text", text=text)

    for told in (error.message, chunk.text, storable(text)):
        assert "\0" not in told
        told.encode()


@given(PIECES, st.integers(0, 60))
def test_the_head_is_a_prefix_and_counts_the_rest(pieces: list[bytes], cap: int) -> None:
    """P11: kept and dropped bytes add up to what was written, and no character is torn."""
    head = Head(cap)
    kept = b"".join(head.feed(piece) for piece in pieces)
    whole = b"".join(pieces)

    captured = head.captured()

    assert kept == whole[:cap]
    assert len(whole) - cap <= captured.dropped_bytes <= max(0, len(whole) - cap + 3)
    assert captured.text == sanitize(whole[: len(whole) - captured.dropped_bytes])[0]
    assert (captured.dropped_bytes == 0) == (len(whole) <= cap)


def test_a_cut_tears_no_character() -> None:
    """The torn one is counted as not kept; it is not shown as broken."""
    head = Head(6)
    head.feed("aaaüü".encode())

    assert head.captured() == Captured("aaaü", 2, 0)


@pytest.mark.parametrize(
    ("captured", "marked"),
    [
        (Captured("all"), "all"),
        (Captured("some", 12), "some\n[flowrunner: output truncated, 12 more bytes]"),
    ],
)
def test_a_cut_is_said_in_the_text(captured: Captured, marked: str) -> None:
    """P11: who reads the output sees that there was more."""
    assert captured.marked() == marked


@given(PIECES)
def test_the_tail_is_a_suffix(pieces: list[bytes]) -> None:
    """The last bytes, however they came."""
    tail = Tail(16)
    for piece in pieces:
        tail.feed(piece)

    assert tail.text() == sanitize(b"".join(pieces)[-16:])[0].strip()


@given(st.text(max_size=40), st.lists(st.integers(0, 100), max_size=5))
def test_a_stream_is_not_torn_at_its_seams(text: str, cuts: list[int]) -> None:
    """Characters that arrive in pieces are put together again."""
    body = text.encode()
    edges = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    decoder = Decoder()

    parts = [decoder.feed(body[a:b]) for a, b in pairwise(edges)]

    assert "".join(parts) + decoder.feed(b"", final=True) == storable(text)


@pytest.mark.parametrize("outcome", ["completed", "failed"])
def test_a_report_says_what_it_must(outcome: str) -> None:
    """P9: a blank answer is no completed task, and a failure names its error."""
    with pytest.raises(ValueError, match=r"blank|has an error"):
        TaskReport.model_validate({"epoch": 1, "outcome": outcome, "output": " \n\t"})


def test_a_long_message_is_cut_with_a_mark() -> None:
    """P11: sixteen thousand characters are enough, and the rest is counted."""
    message = TaskError(code="x", message="m" * 20_000).message
    kept = message.index(" [")

    assert len(message) <= 16_000
    assert message[kept:] == f" [flowrunner: cut, {20_000 - kept} more characters]"
