"""A run's events: in pages, and as a stream that loses nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher, done
from fixtures.libraries import a_flow, a_library, agent, code
from fixtures.runs import ended, launch
from fixtures.services import Replicas
from fixtures.waiting import until
from flowrunner.client import sse
from flowrunner.core.model import RunId
from integration.doors.conftest import OpenDoor
from integration.doors.serving import served

pytestmark = pytest.mark.anyio

QUICK = a_flow(code("a"), code("b", "a"))
ASKING = a_flow(agent("a"), agent("b", "a"))
RUNS = "/api/v1/runs"
STREAM = {"Accept": "text/event-stream"}


async def test_pages_continue_without_a_gap(open_door: OpenDoor) -> None:
    """P7, F61: every event once and in order, and the last page says that nothing will follow."""
    door = await open_door(QUICK)
    run_id = await door.launch()
    await ended(door.service, run_id)

    seen: list[dict[str, Any]] = []
    after, is_over = 0, False
    while not is_over:
        page = await door.json(f"{RUNS}/{run_id}/events?after={after}&limit=2")
        seen += page["items"]
        after, is_over = page["next_after"], page["ended"]

    assert [event["seq"] for event in seen] == list(range(1, len(seen) + 1))
    assert [event["type"] for event in seen] == [
        "run.started",
        "step.dispatched",
        "step.completed",
        "step.dispatched",
        "step.completed",
        "run.completed",
    ]
    assert (await door.json(f"{RUNS}/{run_id}/events?after=99"))["items"] == []


async def test_a_live_runs_page_does_not_end(open_door: OpenDoor) -> None:
    """What follows is not known yet, however much was read."""
    door = await open_door(ASKING)
    run_id = await door.launch()

    assert (await door.json(f"{RUNS}/{run_id}/events"))["ended"] is False


@pytest.mark.parametrize("place", ["-1", "x", "1.0", "\u0661", "9" * 19])
async def test_a_place_that_is_none_is_refused(open_door: OpenDoor, place: str) -> None:
    """400, by page and by stream, and not an empty answer that looks like the end."""
    door = await open_door(QUICK)
    run_id = await door.launch()
    path = f"{RUNS}/{run_id}/events"

    page = await door.get(path, params={"after": place})
    stream = await door.get(path, headers={**STREAM, "Last-Event-ID": place.encode()})

    assert (page.status_code, page.json()["code"]) == (400, "bad-event-id")
    assert (stream.status_code, stream.json()["code"]) == (400, "bad-event-id")


async def test_a_place_after_the_log_is_refused(open_door: OpenDoor) -> None:
    """A cursor of another run, or from before a restore, must not wait for ever."""
    door = await open_door(ASKING)
    run_id = await door.launch()

    response = await door.get(f"{RUNS}/{run_id}/events?after=99", headers=STREAM)

    assert (response.status_code, response.json()["code"]) == (400, "bad-event-id")


async def test_a_finished_stream_stays_finished(open_door: OpenDoor) -> None:
    """204 after the last event: a browser that reconnects is told to stop."""
    door = await open_door(QUICK)
    run_id = await door.launch()
    await ended(door.service, run_id)
    whole = await door.get(f"{RUNS}/{run_id}/events", headers=STREAM)
    messages = list(sse.Reader().feed(whole.text))

    last = messages[-2].id
    again = await door.get(f"{RUNS}/{run_id}/events", headers={**STREAM, "Last-Event-ID": last})

    assert (messages[-1].event, messages[-1].id) == ("end", "")
    assert json.loads(messages[-1].data) == {"run_id": str(run_id), "status": "completed"}
    assert (again.status_code, again.content) == (204, b"")


async def test_a_stream_resumes_where_it_was(open_door: OpenDoor) -> None:
    """D2-24, F61: Last-Event-ID wins over ?after=: a browser repeats the address it began with."""
    door = await open_door(QUICK)
    run_id = await door.launch()
    await ended(door.service, run_id)
    path = f"{RUNS}/{run_id}/events?after=1"

    first = await door.get(path, headers=STREAM)
    again = await door.get(path, headers={**STREAM, "Last-Event-ID": "4"})

    ids = [[m.id for m in sse.Reader().feed(r.text) if m.id] for r in (first, again)]
    assert ids == [["2", "3", "4", "5", "6"], ["5", "6"]]
    assert first.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("types=step.completed", [3, 5]),
        ("types=run.*", [1, 6]),
        ("types=run.completed&types=step.dispatched", [2, 4, 6]),
        ("step=b", [4, 5]),
        ("step=b&types=step.completed", [5]),
        ("types=step.failed", []),
        ("step=nobody", []),
    ],
)
async def test_events_are_sifted(open_door: OpenDoor, query: str, expected: list[int]) -> None:
    """Experience 4.2: by type and step; places stay those of the whole log, on pages and streams."""
    door = await open_door(QUICK)
    run_id = await door.launch()
    await ended(door.service, run_id)
    path = f"{RUNS}/{run_id}/events?{query}"

    seen: list[int] = []
    after, is_over = 0, False
    while not is_over:
        page = await door.json(f"{path}&after={after}&limit=1")
        seen += [event["seq"] for event in page["items"]]
        after, is_over = page["next_after"], page["ended"]
    stream = await door.get(path, headers=STREAM)
    messages = list(sse.Reader().feed(stream.text))

    assert seen == [int(m.id) for m in messages if m.id] == expected
    assert (messages[-1].event, after) == ("end", 6)


async def test_types_of_events_are_names(open_door: OpenDoor) -> None:
    """P11: what cannot be a type is refused, not found nowhere."""
    door = await open_door(QUICK)
    run_id = await door.launch()

    for wrong in ("completed", "*", "step.", "STEP.COMPLETED"):
        response = await door.get(f"{RUNS}/{run_id}/events", params={"types": wrong})
        assert (wrong, response.status_code) == (wrong, 422)


@asynccontextmanager
async def listening(url: str, run_id: RunId) -> AsyncGenerator[list[str]]:
    """Yield a growing list of what the stream has brought; "closed" is its end."""
    heard: list[str] = []

    async def listen() -> None:
        async with (
            httpx2.AsyncClient(base_url=url, timeout=30) as client,
            client.stream("GET", f"{RUNS}/{run_id}/events", headers=STREAM) as response,
        ):
            async for line in response.aiter_lines():
                heard.extend([line.removeprefix("event: ")] if line.startswith("event: ") else [])
        heard.append("closed")

    task = asyncio.create_task(listen())
    try:
        yield heard
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_events_come_as_they_happen(replicas: Replicas, dispatcher: Dispatcher) -> None:
    """F62: over a real socket: each event when it is committed, and the end at the end."""
    service = await replicas.start(a_library(ASKING))
    run_id = await launch(service)

    async with served(service) as url, listening(url, run_id) as heard:
        await until(lambda: heard == ["run.started", "step.dispatched"])
        (a,) = await dispatcher.take(run_id, "a")
        await service.tasks.report(a.task_id, done(a))
        await until(lambda: heard[2:] == ["step.completed", "step.dispatched"])
        (b,) = await dispatcher.take(run_id, "b")
        await service.tasks.report(b.task_id, done(b))
        await until(lambda: heard[4:] == ["step.completed", "run.completed", "end", "closed"])


async def test_any_replica_streams_any_run(replicas: Replicas, dispatcher: Dispatcher) -> None:
    """P5: the run is moved by one replica and watched at another."""
    first = await replicas.start(a_library(ASKING))
    other = await replicas.start(a_library(ASKING))
    run_id = await launch(first)

    async with served(other) as url, listening(url, run_id) as heard:
        await until(lambda: len(heard) == 2)
        await dispatcher.finish(first, run_id)
        await until(lambda: heard[-2:] == ["end", "closed"])


async def test_stopping_waits_for_no_stream(replicas: Replicas, database: Database) -> None:
    """SIGTERM with open streams: they end without an `end`, and the server is gone at once."""
    service = await replicas.start(a_library(ASKING))
    run_id = await launch(service)

    async with served(service) as url, listening(url, run_id) as heard:
        await until(lambda: len(heard) == 2)
        service.feed.close()
        await until(lambda: heard[-1] == "closed")

    assert "end" not in heard
    assert await database.value("SELECT count(*) FROM live_runs") == 1


async def test_a_watcher_that_leaves_is_forgotten(replicas: Replicas) -> None:
    """A closed tab costs nothing any more."""
    service = await replicas.start(a_library(ASKING))
    run_id = await launch(service)

    async with served(service) as url:
        async with listening(url, run_id) as heard:
            await until(lambda: len(heard) == 2)
            assert service.feed.watched == 1
        await until(lambda: service.feed.watched == 0)
