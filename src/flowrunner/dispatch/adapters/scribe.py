"""Pieces of a conversation become a transcript: the answer as it came, all else as marked lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

from flowrunner.dispatch.acp.recording import Piece, PieceKind

Write: TypeAlias = Callable[[Literal["text", "system"], str], None]


class Scribe:
    """Thoughts that come in pieces are one line; what interrupts them begins a new one."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._last: PieceKind | None = None

    def take(self, piece: Piece) -> None:
        if self._last == "thought" and piece.kind != "thought":
            self._write("system", "\n")
        match piece.kind:
            case "text":
                self._write("text", piece.text)
            case "thought":
                mark = "" if self._last == "thought" else "[thought] "
                self._write("system", mark + piece.text)
            case _:
                self._write("system", f"[{piece.kind}] {piece.text}\n")
        self._last = piece.kind
