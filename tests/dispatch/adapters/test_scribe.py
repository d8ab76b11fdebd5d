"""What a reader of a transcript sees."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from flowrunner.dispatch.acp.recording import Piece
from flowrunner.dispatch.adapters.scribe import Scribe
from flowrunner.dispatch.transcripts import TranscriptWriter
from flowrunner.wire.tasks import Chunk


def test_the_answer_is_text_and_all_else_is_marked() -> None:
    """R2-33: an answer reads as it came; thoughts in pieces are one line."""
    written: list[tuple[str, str]] = []
    scribe = Scribe(lambda kind, text: written.append((kind, text)))
    for piece in (
        Piece("thought", "Let me "),
        Piece("thought", "look."),
        Piece("tool", "running read a.py"),
        Piece("denial", "edit denied (read-only): b.py"),
        Piece("text", "All "),
        Piece("text", "well."),
        Piece("thought", "Done."),
        Piece("text", "Bye."),
    ):
        scribe.take(piece)

    assert "".join(text for kind, text in written if kind == "text") == "All well.Bye."
    assert "".join(text for kind, text in written if kind == "system") == (
        "[thought] Let me look.\n"
        "[tool] running read a.py\n"
        "[denial] edit denied (read-only): b.py\n"
        "[thought] Done.\n"
    )


@pytest.mark.anyio
async def test_it_writes_a_tasks_transcript() -> None:
    """R2-33: in the order in which it was told, text as text and all else as the system's."""
    sent: list[Chunk] = []

    async def append(chunks: Sequence[Chunk]) -> bool:
        sent.extend(chunks)
        return True

    writer = TranscriptWriter(append)
    scribe = Scribe(writer.write)
    for piece in (Piece("text", "All "), Piece("tool", "running read a\0"), Piece("text", "well.")):
        scribe.take(piece)
    writer.close()
    await writer.run()

    assert [(chunk.seq, chunk.kind, chunk.text) for chunk in sent] == [
        (0, "text", "All "),
        (1, "system", "[tool] running read a\ufffd\n"),
        (2, "text", "well."),
    ]
