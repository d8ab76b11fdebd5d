"""Signs and colours of a terminal, as far as it has them."""

from __future__ import annotations

from dataclasses import dataclass

_SYMBOLS = {
    "completed": "✓",
    "failed": "✗",
    "running": "●",
    "offered": "◌",
    "retrying": "↻",
    "waiting": "⏸",
    "sleeping": "◷",
    "paused": "⏸",
    "queued": "○",
    "pending": "○",
    "blocked": "●",
    "skipped": "-",
    "excluded": "-",
    "cancelled": "■",
}
_PLAIN = {
    "completed": "+",
    "failed": "x",
    "running": "*",
    "offered": "o",
    "retrying": "~",
    "waiting": "?",
    "sleeping": "z",
    "paused": "=",
    "queued": ".",
    "pending": ".",
    "blocked": "*",
    "skipped": "-",
    "excluded": "-",
    "cancelled": "#",
}
_COLORS = {
    "completed": "32",
    "failed": "31",
    "running": "36",
    "offered": "36",
    "blocked": "36",
    "retrying": "33",
    "waiting": "1;33",
    "paused": "33",
    "sleeping": "34",
    "cancelled": "35",
}
ALL_SYMBOLS = "".join(_SYMBOLS.values())


@dataclass(frozen=True, slots=True)
class Canvas:
    """How much room there is, and what may be drawn on it."""

    width: int = 80
    height: int = 24
    symbols: bool = True
    color: bool = False

    @property
    def dot(self) -> str:
        return "·" if self.symbols else "-"

    @property
    def dots(self) -> str:
        """What stands where something was cut off."""
        return "…" if self.symbols else "..."

    def sign(self, status: str) -> str:
        """One column wide."""
        return (_SYMBOLS if self.symbols else _PLAIN).get(status, "?")

    def join(self, *parts: str) -> str:
        return f" {self.dot} ".join(part for part in parts if part)

    def tint(self, text: str, status: str) -> str:
        """Give *text* the colour of *status*; it must have its final width already."""
        color = _COLORS.get(status) if self.color else None
        return f"\x1b[{color}m{text}\x1b[0m" if color and text else text

    def bold(self, text: str) -> str:
        return f"\x1b[1m{text}\x1b[0m" if self.color and text else text
