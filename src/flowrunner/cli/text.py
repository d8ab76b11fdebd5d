"""Text for terminals: nothing that steers them, nothing wider than they are."""

from __future__ import annotations

import re
import unicodedata

_STEERING = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_STEERING_TEXT = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def clean(text: str) -> str:
    """Make *text* one harmless line: line ends become blanks, steering characters U+FFFD."""
    return _STEERING.sub("\ufffd", text.replace("\r\n", " ").replace("\n", " ").replace("\t", " "))


def clean_text(text: str) -> str:
    """Make *text* harmless; lines and tabs stay."""
    return _STEERING_TEXT.sub("\ufffd", text)


def cells(text: str) -> int:
    """How many columns *text* takes on a terminal."""
    return sum(_cell(character) for character in text)


def fit(text: str, width: int, mark: str = "…") -> str:
    """Cut *text* to *width* columns, with a mark that it was."""
    if cells(text) <= width:
        return text
    kept: list[str] = []
    left = width - len(mark)
    for character in text:
        left -= _cell(character)
        if left < 0:
            break
        kept.append(character)
    return ("".join(kept) + mark)[: max(width, 0)] if width < len(mark) else "".join(kept) + mark


def pad(text: str, width: int) -> str:
    return text + " " * max(width - cells(text), 0)


def span(seconds: float) -> str:
    """Tell a duration in at most two units: `0.4s`, `12s`, `2m04`, `1h05`, `3d02`."""
    if seconds < 9.95:  # noqa: PLR2004  # below, tenths are worth reading
        return f"{max(seconds, 0):.1f}s"
    whole = round(seconds)
    for unit, size, below in (("d", 86_400, 3_600), ("h", 3_600, 60), ("m", 60, 1)):
        if whole >= size:
            return f"{whole // size}{unit}{whole % size // below:02d}"
    return f"{whole}s"


def countdown(seconds: float) -> str:
    """Tell a duration that changes while it is read: no tenths."""
    return f"{max(round(seconds), 0)}s" if seconds < 59.5 else span(seconds)  # noqa: PLR2004  # a minute


def tokens_of(count: int) -> str:
    """Tell a number of tokens: `950 tok`, `8.1k tok`, `310k tok`, `2.4M tok`."""
    for unit, size in (("M", 1_000_000), ("k", 1_000)):
        if count >= size:
            amount = count / size
            return f"{amount:.1f}{unit} tok" if amount < 9.95 else f"{amount:.0f}{unit} tok"  # noqa: PLR2004  # below, tenths are worth reading
    return f"{count} tok"


def money(microusd: int) -> str:
    """Tell millionths of a dollar; less than a cent, but something, is `<$0.01`."""
    if 0 < microusd < 5_000:  # noqa: PLR2004  # rounds to nothing
        return "<$0.01"
    return f"${microusd / 1e6:.2f}"


def _cell(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
