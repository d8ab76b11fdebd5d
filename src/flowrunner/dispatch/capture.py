"""Keep what an agent writes within bounds, and make it text that nothing later can refuse."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

from flowrunner.wire.tasks import REPLACEMENT, storable


@dataclass(frozen=True, slots=True)
class Captured:
    """Text, how many bytes were not kept, and how many characters had to be replaced (P11)."""

    text: str = ""
    dropped_bytes: int = 0
    replaced_count: int = 0

    def marked(self) -> str:
        """The text, with a line at its end that says so if there was more."""
        if not self.dropped_bytes:
            return self.text
        return f"{self.text}\n[flowrunner: output truncated, {self.dropped_bytes} more bytes]"


NOTHING = Captured()


class Head:
    """The first *cap* bytes of a stream, and a count of all."""

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self._kept = bytearray()
        self.seen_bytes = 0

    def feed(self, piece: bytes) -> bytes:
        """Take the next piece and return the part of it that was kept."""
        kept = piece[: self._cap - len(self._kept)]
        self._kept += kept
        self.seen_bytes += len(piece)
        return kept

    def captured(self) -> Captured:
        cut = self.seen_bytes > len(self._kept)
        body = _whole_characters(self._kept) if cut else bytes(self._kept)
        text, replaced = sanitize(body)
        return Captured(text, self.seen_bytes - len(body), replaced)


class Tail:
    """The last *cap* bytes of a stream: where an error is."""

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self._kept = bytearray()

    def feed(self, piece: bytes) -> None:
        self._kept += piece[-self._cap :]
        del self._kept[: -self._cap]

    def text(self) -> str:
        return sanitize(bytes(self._kept))[0].strip()


def sanitize(body: bytes) -> tuple[str, int]:
    """Decode UTF-8; what is no text, and NUL, becomes U+FFFD. Return the text and how many did."""
    text = body.decode("utf-8", errors="replace")
    replaced = text.count(REPLACEMENT) - body.count(REPLACEMENT.encode()) + text.count("\0")
    return storable(text), replaced


class Decoder:
    """The same for a stream, piece by piece: no character is torn at the seams."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def feed(self, piece: bytes, *, final: bool = False) -> str:
        return storable(self._decoder.decode(piece, final))


def _whole_characters(body: bytearray) -> bytes:
    """Drop the torn character at a cut; it counts as not kept, not as replaced."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    decoder.decode(bytes(body))
    torn, _ = decoder.getstate()
    return bytes(body[: len(body) - len(torn)])
