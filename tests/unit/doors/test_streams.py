"""A stream's frames, from a feed that the test speaks itself."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import UTC, datetime
from uuid import UUID

import pytest

from builders import a_graph
from flowrunner.api.streams import Streams
from flowrunner.client import sse
from flowrunner.core.model import RunId
from flowrunner.db.events import EventRow
from flowrunner.service.roster import Roster

pytestmark = pytest.mark.anyio

RUN = RunId(UUID(int=7))
ROSTER = Roster(a_graph("a", "b<-a"))
AT = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


def row(seq: int, kind: str, step: int | None = None, **body: object) -> EventRow:
    return EventRow(RUN, seq, kind, step, body, AT)


STARTED = row(1, "run.started", flow="demo", band="small", excluded=[[1, "gate"]])
COMPLETED = row(2, "run.completed", outcome="ok", report="f" * 64)


async def said(*rows: EventRow) -> AsyncIterator[EventRow]:
    for each in rows:
        yield each


async def frames(streams: Streams, rows: AsyncIterator[EventRow]) -> list[str]:
    return [frame async for frame in streams.frames(rows, ROSTER)]


def messages(told: list[str]) -> list[sse.Message]:
    reader = sse.Reader()
    return [message for chunk in told for message in reader.feed(chunk)]


async def test_a_stream_ends_after_the_runs_last_event() -> None:
    """The end is an event of its own, without an id: the cursor stays the run's last."""
    streams = Streams()

    told = await frames(streams, said(STARTED, COMPLETED))

    assert [(m.event, m.id) for m in messages(told)] == [
        ("run.started", "1"),
        ("run.completed", "2"),
        ("end", ""),
    ]
    assert streams.count == 0


async def test_a_retried_run_goes_on_after_its_end() -> None:
    """F40: an end that something follows is none; the feed says when nothing does."""
    again = row(3, "run.retried", generation=2, steps=[0], actor="ana", reason="")
    told = await frames(Streams(), said(STARTED, COMPLETED, again, row(4, "run.cancelled")))

    assert [m.event for m in messages(told)][-2:] == ["run.cancelled", "end"]
    assert json.loads(messages(told)[-1].data)["status"] == "cancelled"


async def test_a_report_may_stand_last() -> None:
    """Rendered again after its end, a run is still ended, and as it was."""
    stream = Streams().frames(said(row(3, "run.rendered")), ROSTER, "failed")
    told = messages([frame async for frame in stream])

    assert [(m.event, m.id) for m in told] == [("run.rendered", "3"), ("end", "")]
    assert json.loads(told[-1].data)["status"] == "failed"


async def test_a_client_is_told_when_to_come_back() -> None:
    """The first thing said is how long to wait before reconnecting, differently for each."""
    first = {(await frames(Streams(), said()))[0] for _ in range(20)}

    assert all(2000 <= int(frame.removeprefix("retry: ")) < 4000 for frame in first)
    assert len(first) > 1


async def test_silence_is_broken_by_pings() -> None:
    """Proxies cut what is silent; a comment is no event."""
    silent = asyncio.Event()

    async def quiet() -> AsyncIterator[EventRow]:
        await silent.wait()
        yield COMPLETED

    stream = Streams(ping_seconds=0.01).frames(quiet(), ROSTER)
    told = [await anext(stream) for _ in range(3)]
    silent.set()
    rest = [frame async for frame in stream]

    assert told[1:] == [": ping\n\n", ": ping\n\n"]
    assert rest[-1].startswith("event: end")


async def test_a_feed_that_closes_ends_the_stream() -> None:
    """The service stops: the stream ends without an `end`, so that the client comes back."""
    told = await frames(Streams(), said(STARTED))

    assert [m.event for m in messages(told)] == ["run.started"]


async def test_a_client_that_leaves_is_forgotten() -> None:
    """Closing a stream closes its feed, and gives its place back."""
    closed = asyncio.Event()

    async def endless() -> AsyncGenerator[EventRow]:
        try:
            yield STARTED
            await asyncio.Event().wait()
        finally:
            closed.set()

    streams = Streams(most=1)
    stream = streams.frames(endless(), ROSTER)
    await anext(stream)
    await anext(stream)
    assert streams.is_full

    await stream.aclose()

    assert (closed.is_set(), streams.is_full) == (True, False)


async def test_an_end_that_nobody_waited_for_any_more_is_no_error() -> None:
    """P11: a feed that ended in the moment in which its reader left is not logged as a failure."""
    told: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, about: told.append(str(about)))
    closed = asyncio.Event()

    async def feed() -> AsyncGenerator[EventRow]:
        await closed.wait()
        return
        yield STARTED

    async def read() -> None:
        async for _row in Streams().paced(feed()):
            pass

    reading = asyncio.create_task(read())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    closed.set()
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    gc.collect()
    await asyncio.sleep(0)
    asyncio.get_running_loop().set_exception_handler(None)

    assert told == []


async def test_the_start_carries_the_whole_roster() -> None:
    """R2-10, D2-09: every step of every kind, excluded ones with the reason, by key and label."""
    event = ROSTER.show(STARTED)

    assert event.data["flow"] == "demo"
    assert [(s["key"], s["needs"], s["excluded"]) for s in event.data["steps"]] == [
        ("a", [], None),
        ("b", ["a"], "gate"),
    ]


async def test_a_step_is_told_by_key_and_label() -> None:
    """D2-09: a step's event says which step it is in words; payload addresses stay inside."""
    event = ROSTER.show(row(5, "step.completed", 1, attempt=1, output="f" * 64))

    assert (event.step_no, event.key, event.data) == (1, "b", {"attempt": 1})
    assert event.label is not None
