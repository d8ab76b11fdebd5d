"""Cut an agent's stream into lines of any length; what is too long is cut with a count (P11)."""

from __future__ import annotations

from dataclasses import dataclass

LINE_CAP = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its end; *dropped_bytes* of it were not kept."""

    body: bytes
    dropped_bytes: int = 0


class Lines:
    """Takes pieces cut anywhere, also within a character, and gives whole lines."""

    def __init__(self, cap: int = LINE_CAP) -> None:
        self._cap = cap
        self._kept = bytearray()
        self._dropped = 0

    def feed(self, piece: bytes) -> list[Line]:
        """Return the lines that *piece* completes. Blank ones say nothing, and are left out."""
        *ends, rest = piece.split(b"\n")
        lines: list[Line] = []
        for end in ends:
            self._take(end)
            lines += self._cut()
        self._take(rest)
        return lines

    def end(self) -> list[Line]:
        """Return what stands after the last line end."""
        return self._cut()

    def _take(self, part: bytes) -> None:
        kept = part[: self._cap - len(self._kept)]
        self._kept += kept
        self._dropped += len(part) - len(kept)

    def _cut(self) -> list[Line]:
        line = Line(bytes(self._kept).strip(), self._dropped)
        self._kept, self._dropped = bytearray(), 0
        return [line] if line.body or line.dropped_bytes else []
