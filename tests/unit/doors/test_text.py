"""Text for terminals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.cli.text import cells, clean, clean_text, fit, pad, span


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-3, "0.0s"),
        (0.04, "0.0s"),
        (0.44, "0.4s"),
        (9.94, "9.9s"),
        (9.95, "10s"),
        (59.6, "1m00"),
        (119, "1m59"),
        (3599, "59m59"),
        (3600, "1h00"),
        (86_399, "23h59"),
        (90_000, "1d01"),
    ],
)
def test_spans_are_short(seconds: float, expected: str) -> None:
    """Two units at most, and no sixty seconds."""
    assert span(seconds) == expected


def test_nothing_steers_the_terminal() -> None:
    """An agent's text cannot move the cursor, reorder a line or begin a new one."""
    nasty = "a\x1b[2Jb\u202ec\nd\x07\x9b\ud800"

    assert clean(nasty) == "a\ufffd[2Jb\ufffdc d\ufffd\ufffd\ufffd"
    assert clean_text("a\n\tb\x1b[0m\r") == "a\n\tb\ufffd[0m\ufffd"


@given(text=st.text(max_size=60), width=st.integers(1, 40))
def test_what_is_cut_fits(text: str, width: int) -> None:
    """Wide characters count twice; what was cut says so."""
    shown = fit(text, width)

    assert cells(shown) <= width
    assert shown == text or shown.endswith("…")


def test_columns_align_for_wide_characters() -> None:
    """A double-width character takes two columns."""
    assert (cells("日本"), cells("e\u0301"), pad("日", 4)) == (4, 1, "日  ")
