"""Reading server-sent events from whatever pieces the network delivers."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from flowrunner.client import sse

STREAM = (
    "retry: 2000\n\n: ping\n\n"
    'id: 1\nevent: run.started\ndata: {"a": "\u2028 \x85 \x0b"}\n\n'
    "data: one\ndata:two\r\n\r\n"
    "event: end\ndata: {}\n\n"
)
EXPECTED = [
    sse.Message("run.started", '{"a": "\u2028 \x85 \x0b"}', "1"),
    sse.Message("message", "one\ntwo", ""),
    sse.Message("end", "{}", ""),
]


def read(chunks: Iterable[str]) -> list[sse.Message]:
    reader = sse.Reader()
    return [message for chunk in chunks for message in reader.feed(chunk)]


@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_pieces_do_not_matter(cuts: list[int]) -> None:
    """However the text is cut, also between CR and LF, the same messages come out."""
    edges = [0, *sorted(cuts), len(STREAM)]
    chunks = [STREAM[a:b] for a, b in pairwise(edges)]

    assert read(chunks) == EXPECTED


def test_a_message_that_was_cut_off_is_dropped() -> None:
    """Half an event is no event: it is read again after reconnecting."""
    cut = ["id: 1\ndata: {}\n\nid: 2\nda", "ta: {}\n"]

    assert read(cut) == [sse.Message("message", "{}", "1")]
