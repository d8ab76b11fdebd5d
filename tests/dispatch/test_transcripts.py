"""What an agent streams arrives whole, in order and in batches, or it is said what did not."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from fixtures.waiting import until
from flowrunner.core.errors import UnavailableError
from flowrunner.dispatch.transcripts import TranscriptLimits, TranscriptWriter
from flowrunner.wire.tasks import Chunk

pytestmark = pytest.mark.anyio


@dataclass
class Receiver:
    """Keeps what it is sent; refuses the next *failures* calls, after having kept them or not."""

    failures: int = 0
    keeps_what_it_fails: bool = False
    is_wanted: bool = True
    batches: list[list[Chunk]] = field(default_factory=list[list[Chunk]])

    async def __call__(self, chunks: Sequence[Chunk]) -> bool:
        if self.failures:
            self.failures -= 1
            if self.keeps_what_it_fails:
                self.batches.append(list(chunks))
            raise UnavailableError("not now")
        self.batches.append(list(chunks))
        return self.is_wanted

    def texts(self) -> list[tuple[str, str]]:
        """(kind, text) by number, each number once, as the database would have it."""
        chunks = {chunk.seq: chunk for batch in self.batches for chunk in batch}
        assert sorted(chunks) == list(range(len(chunks)))
        return [(chunks[seq].kind, chunks[seq].text) for seq in sorted(chunks)]


async def written(receiver: Receiver, writer: TranscriptWriter) -> list[tuple[str, str]]:
    writer.close()
    await asyncio.wait_for(writer.run(), 10)
    return receiver.texts()


async def test_neighbours_of_a_kind_are_one_chunk() -> None:
    """Order is kept between the streams, and a torn character is put together."""
    receiver = Receiver()
    writer = TranscriptWriter(receiver)
    for stream, piece in (("text", b"a"), ("text", b"b\xc3"), ("stderr", b"!"), ("text", b"\xbc")):
        writer.feed("text" if stream == "text" else "stderr", piece)

    assert await written(receiver, writer) == [("text", "ab"), ("stderr", "!"), ("text", "ü")]
    assert len(receiver.batches) == 1


async def test_a_pause_makes_a_batch() -> None:
    """The first words go out at once, the next ones together, a second later."""
    receiver = Receiver()
    writer = TranscriptWriter(receiver, TranscriptLimits(pause_seconds=0.2))
    running = asyncio.create_task(writer.run())
    writer.feed("text", b"first")
    await until(lambda: len(receiver.batches) == 1)
    for _ in range(10):
        writer.feed("text", b".")
        await asyncio.sleep(0)
    assert len(receiver.batches) == 1

    await until(lambda: len(receiver.batches) == 2)

    running.cancel()
    assert receiver.texts() == [("text", "first"), ("text", "." * 10)]


async def test_a_large_batch_does_not_wait() -> None:
    """It leaves at once, in chunks of bounded size."""
    receiver = Receiver()
    writer = TranscriptWriter(receiver, TranscriptLimits(pause_seconds=600, batch_characters=10))
    running = asyncio.create_task(writer.run())
    writer.feed("text", b"first")
    await until(lambda: len(receiver.batches) == 1)

    writer.feed("text", b"x" * 25)

    await until(lambda: len(receiver.batches) == 2)
    running.cancel()
    assert [len(chunk.text) for chunk in receiver.batches[1]] == [10, 10, 5]


@pytest.mark.parametrize("kept", [False, True])
async def test_a_doubt_is_sent_again_under_the_same_number(kept: bool) -> None:  # noqa: FBT001
    """P11: nothing is lost, and what was kept already can be told by its number."""
    receiver = Receiver(failures=1, keeps_what_it_fails=kept)
    writer = TranscriptWriter(receiver)
    writer.feed("text", b"once")

    assert await written(receiver, writer) == [("text", "once")]


async def test_what_is_too_much_is_counted() -> None:
    """P11: the last chunk says how much was not kept."""
    receiver = Receiver()
    writer = TranscriptWriter(receiver, TranscriptLimits(most_characters=10))
    writer.feed("text", b"x" * 8)
    writer.feed("stderr", b"y" * 8)
    writer.feed("text", b"z" * 8)

    assert await written(receiver, writer) == [
        ("text", "x" * 8),
        ("stderr", "yy"),
        ("system", "[flowrunner: transcript cut, 14 more characters]"),
    ]


async def test_a_lost_lease_ends_it() -> None:
    """R2-33: what is not ours any more is not written to."""
    receiver = Receiver(is_wanted=False)
    writer = TranscriptWriter(receiver)
    running = asyncio.create_task(writer.run())

    writer.feed("text", b"x")

    await asyncio.wait_for(running, 10)
    assert len(receiver.batches) == 1


async def test_the_end_does_not_wait_for_ever() -> None:
    """A result is worth more than the last words of its transcript."""
    receiver = Receiver(failures=10_000)
    writer = TranscriptWriter(receiver, TranscriptLimits(last_seconds=0.1))
    running = asyncio.create_task(writer.run())
    writer.feed("text", b"x")
    await until(lambda: receiver.failures < 10_000)

    writer.close()

    await asyncio.wait_for(running, 5)
    assert receiver.batches == []


async def test_an_agent_may_end_after_nobody_wants_its_words() -> None:
    """A lease that was lost ends the sending first; the agent's own end is no mistake then."""
    receiver = Receiver(is_wanted=False)
    writer = TranscriptWriter(receiver)
    writer.feed("text", b"begun")
    await asyncio.wait_for(writer.run(), 10)

    writer.feed("text", b"done")
    writer.close()

    assert receiver.texts() == [("text", "begun")]
