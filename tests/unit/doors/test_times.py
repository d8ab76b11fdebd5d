"""Durations as they are given and told."""

from __future__ import annotations

import pytest

from flowrunner.cli.exits import CommandError, Exit
from flowrunner.cli.text import countdown, money, tokens_of
from flowrunner.cli.times import parse_span


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("30m", 1800), ("2h", 7200), ("0s", 0)])
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    """As everywhere on the command line."""
    assert parse_span(text) == seconds


@pytest.mark.parametrize("text", ["", "90", "1.5h", "-3s", "h", "90 s", "9999999s"])
def test_anything_else_is_refused(text: str) -> None:
    """Exit 2, with an example."""
    with pytest.raises(CommandError) as refused:
        parse_span(text)

    assert (refused.value.exit_code, "write 90s" in (refused.value.hint or "")) == (
        Exit.USAGE,
        True,
    )


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(-1, "0s"), (7.6, "8s"), (59.4, "59s"), (59.6, "1m00"), (600, "10m00")],
)
def test_a_countdown_has_no_tenths(seconds: float, expected: str) -> None:
    """It changes while it is read."""
    assert countdown(seconds) == expected


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, "0 tok"),
        (999, "999 tok"),
        (8_100, "8.1k tok"),
        (9_960, "10k tok"),
        (2_400_000, "2.4M tok"),
    ],
)
def test_tokens_are_short(count: int, expected: str) -> None:
    """Two digits are enough to see what is expensive."""
    assert tokens_of(count) == expected


@pytest.mark.parametrize(
    ("microusd", "expected"), [(0, "$0.00"), (1, "<$0.01"), (5_000, "$0.01"), (1_510_000, "$1.51")]
)
def test_something_is_never_nothing(microusd: int, expected: str) -> None:
    """Less than a cent is still money."""
    assert money(microusd) == expected
