"""The Python client against a real server on loopback, with interruptions."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator

import pytest

from fixtures.dispatchers import Dispatcher, done
from fixtures.libraries import a_flow, a_library, agent, code
from fixtures.runs import ended
from fixtures.services import Replicas
from fixtures.waiting import until
from flowrunner.bootstrap.service import Service
from flowrunner.client import (
    Client,
    ClientError,
    ConflictError,
    DeniedError,
    InvalidInputError,
    NotFoundError,
    UnreachableError,
)
from flowrunner.core.model import RunId
from flowrunner.wire.runs import LaunchBody
from integration.doors.serving import served

pytestmark = pytest.mark.anyio

QUICK = a_flow(code("a"), name="quick")
ASKING = a_flow(agent("a"), agent("b", "a"))


@pytest.fixture
async def service(replicas: Replicas) -> Service:
    return await replicas.start(a_library(QUICK, ASKING))


@pytest.fixture
async def client(service: Service) -> AsyncIterator[Client]:
    """A client of a running server."""
    async with served(service) as url:
        with Client(url) as made:
            yield made


async def test_a_run_from_launch_to_report(service: Service, client: Client) -> None:
    """Every call of a run's life, each in a thread, as a script would make them."""

    def script() -> list[str]:
        reply = client.launch("quick", LaunchBody(title="T", labels={"team": "a"}))
        run = str(reply.id)
        types = [event.type for event in client.events(run)]
        assert client.get_run(run[-8:]).status == "completed"
        assert [step.key for step in client.list_steps(run).items] == ["a"]
        assert client.report(run) == "# quick"
        assert json.loads(client.report(run, "json"))["outcome"] == "told"
        assert [row.title for row in client.list_runs(labels={"team": "a"}).items] == ["T"]
        assert client.list_runs(status=["failed"], flow="quick", limit=1).items == ()
        assert client.count_runs(flow="quick").completed == 1
        assert {flow.name for flow in client.list_flows().items} == {"demo", "quick"}
        assert client.get_flow("quick").step_count == 1
        assert any(worker.queues == ("code",) for worker in client.list_workers().items)
        assert client.get_version().api == "v1"
        return types

    types = await asyncio.to_thread(script)

    assert (types[0], types[-1]) == ("run.started", "run.completed")
    assert service.feed.watched == 0


async def test_refusals_are_typed(client: Client, service: Service) -> None:
    """One exception per kind of refusal, with the whole problem."""

    def script() -> None:
        with pytest.raises(NotFoundError) as unknown:
            client.launch("dmeo")
        assert unknown.value.problem.hint is not None
        with pytest.raises(InvalidInputError) as invalid:
            client.launch("demo", LaunchBody(input={"x": 1}, band="huge"))
        assert [e.pointer for e in invalid.value.problem.errors] == ["/band", "/input/x"]
        run = str(client.launch("demo", key="k").id)
        assert client.launch("demo", key="k").replayed
        with pytest.raises(InvalidInputError) as reused:
            client.launch("quick", key="k")
        assert reused.value.problem.code == "idempotency-mismatch"
        with pytest.raises(ConflictError):
            client.report(run)
        assert client.cancel_run(run, "enough").was_live
        with pytest.raises(NotFoundError):
            client.get_run("..")

    await asyncio.to_thread(script)
    assert service.settings.tokens == ()


async def test_a_token_is_sent(replicas: Replicas) -> None:
    """With it in, without it DeniedError."""
    service = await replicas.start(a_library(QUICK), tokens="secret")

    async with served(service) as url:

        def script() -> None:
            with Client(url, token="secret") as client:  # noqa: S106  # the test's
                assert client.list_runs().items == ()
            with Client(url) as client, pytest.raises(DeniedError):
                client.list_runs()

        await asyncio.to_thread(script)


async def test_a_server_that_comes_back_is_waited_for(service: Service) -> None:
    """A launch that meets no server is tried again, and starts one run."""
    async with served(service) as url:
        port = int(url.rpartition(":")[2])
    with Client(url) as client:
        launching = asyncio.create_task(asyncio.to_thread(client.launch, "quick", None, key="k"))
        await until(lambda: not launching.done())

        async with served(service, port):
            reply = await launching
            again = await asyncio.to_thread(client.launch, "quick", None, key="k")

    assert (reply.replayed, again.replayed, again.id) == (False, True, reply.id)


async def test_events_survive_the_server(service: Service, dispatcher: Dispatcher) -> None:
    """The server goes away in the middle and comes back: each event once and in order."""
    seen: list[int] = []
    async with served(service) as url:
        client = Client(url)
        reply = await asyncio.to_thread(client.launch, "demo")
        watching = asyncio.create_task(
            asyncio.to_thread(lambda: [seen.append(e.seq) for e in client.events(str(reply.id))])
        )
        await until(lambda: len(seen) == 2)
    port = int(url.rpartition(":")[2])
    run_id = RunId(reply.id)
    (task,) = await dispatcher.take(run_id, "a")
    await service.tasks.report(task.task_id, done(task))

    async with served(service, port):
        await dispatcher.finish(service, run_id)
        await watching
    client.close()

    assert seen == list(range(1, 7))
    assert await ended(service, run_id) == "completed"


async def test_nobody_there_is_told(service: Service) -> None:
    """Patience ends; what is no address is told at once."""
    async with served(service) as url:
        pass

    def script() -> None:
        with Client(url, patience_seconds=0.2) as client:
            with pytest.raises(UnreachableError):
                client.list_runs()
            with pytest.raises(UnreachableError):
                next(client.events("@last"))
        for text in ("", "localhost:8700", "ftp://localhost", "http://"):
            with pytest.raises(ClientError):
                Client(text)

    await asyncio.to_thread(script)


async def test_only_ours_are_problems(client: Client) -> None:
    """An answer of something else, a proxy say, is told as it came."""
    stop = threading.Event()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello")
        await writer.drain()
        writer.close()
        stop.set()

    proxy = await asyncio.start_server(speak, "127.0.0.1", 0)
    port = proxy.sockets[0].getsockname()[1]
    async with proxy:

        def script() -> None:
            with Client(f"http://127.0.0.1:{port}") as other, pytest.raises(NotFoundError) as told:
                other.list_runs()
            assert (told.value.problem.code, told.value.problem.detail) == ("http-404", "hello")

        await asyncio.to_thread(script)

    assert stop.is_set()
    assert client.server.startswith("http://127.0.0.1:")
