"""Lines come whole, however they were cut on their way, and no length of one is too much."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.dispatch.acp.framing import Line, Lines


@given(st.lists(st.text(alphabet="aä€😀 {}", min_size=1).filter(str.strip)), st.data())
def test_cuts_do_not_matter(texts: list[str], chance: st.DataObject) -> None:
    """P11: cut anywhere, also within a character, the same lines come out."""
    stream = "".join(f"{text}\n" for text in texts).encode()
    cuts = chance.draw(st.lists(st.integers(0, len(stream)), max_size=5))
    edges = [0, *sorted(cuts), len(stream)]
    lines = Lines()

    heard = [line for start, end in pairwise(edges) for line in lines.feed(stream[start:end])]

    assert [line.body.decode() for line in heard] == [text.strip() for text in texts]
    assert lines.end() == []


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_a_long_line_is_cut_and_counted(piece: int) -> None:
    """P11: what is over the cap is dropped and counted, and the next line is whole again."""
    stream = b"x" * 100 + b"\nnext\n"
    lines = Lines(cap=10)

    heard = [
        line
        for start in range(0, len(stream), piece)
        for line in lines.feed(stream[start : start + piece])
    ]

    assert heard == [Line(b"x" * 10, 90), Line(b"next")]


def test_a_last_line_needs_no_end() -> None:
    """What stands at the end is a line; blank lines and carriage returns are none."""
    lines = Lines()

    assert lines.feed(b"\r\n\n  \nlast\r") == []
    assert lines.end() == [Line(b"last")]
    assert lines.end() == []
