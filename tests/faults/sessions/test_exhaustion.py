"""No connection is to be had, here or at the server: everybody waits, and says so."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import psycopg
import pytest
from fastapi import Response

from faults.sessions.place import OURS, Place, a_place
from fixtures.databases import Database
from fixtures.services import LogLines
from fixtures.waiting import until
from flowrunner.api import health
from flowrunner.db import migrations
from flowrunner.db.pool import Conn, Pool
from flowrunner.embedded.cluster import Cluster

pytestmark = pytest.mark.anyio

OTHERS = 6
MOST = 20
"""Connections of the server that is exhausted; three of them are kept for its owner."""
CUT = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {OURS}"  # noqa: S608  # our own words
LEFT = f"SELECT count(*) FROM pg_stat_activity WHERE {OURS}"  # noqa: S608  # our own words


@pytest.fixture
def small_database() -> Generator[Database]:
    """A database on a server of its own that admits few."""
    folder = Path(tempfile.mkdtemp(prefix="fr-few-"))
    settings = {"max_connections": str(MOST)}
    with Cluster(folder, durable=False, linger=0, settings=settings) as server:
        server.create_database("few")
        migrations.upgrade(server.address("owner", "few"))
        yield Database("few", server)


async def readiness(place: Place) -> tuple[int, str]:
    """What the probe says: its status code, and why."""
    response = Response()
    found = await health.get_ready(place.service.views, response)
    return response.status_code, "; ".join(check.detail for check in found.checks if check.detail)


@asynccontextmanager
async def hogged(pool: Pool, spare: int = 0) -> AsyncGenerator[None]:
    """Somebody who takes all connections of a pool but so many, and keeps them."""
    async with AsyncExitStack() as stack:
        for _ in range(pool.max_size - spare):
            await stack.enter_async_context(pool.connection(timeout=20))
        yield


@pytest.mark.parametrize("name", ["pool", "commit_pool", "lease_pool"])
async def test_a_pool_of_one_is_enough(database: Database, log_lines: LogLines, name: str) -> None:
    """P3, P4: everybody takes turns; nothing is refused."""
    async with (
        a_place(database, pool_size=2) as place,
        hogged(getattr(place.service, name), spare=1),
    ):
        await place.have_ended(await place.launch(OTHERS))
        assert (await readiness(place))[0] == 200
    assert {line["log_level"] for line in log_lines} <= {"debug", "info"}


@pytest.mark.parametrize("name", ["pool", "commit_pool", "lease_pool"])
async def test_an_empty_pool_heals(
    database: Database, log_lines: LogLines, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """P3, P4, F60: who waits too long is told so, and the probe as well; then all runs end."""
    monkeypatch.setattr(health, "_PATIENCE_SECONDS", 0.5)
    async with a_place(database, pool_size=2) as place:
        pool: Pool = getattr(place.service, name)
        pool.timeout = 0.3
        held = await place.hold()
        async with hogged(pool):
            place.shape.gate.set()
            await until(lambda: pool.get_stats().get("requests_errors", 0) > 0)
            status, why = await readiness(place)
            # A run that is resident needs no more than commits.
            assert await place.is_over(held) <= (name != "commit_pool")
        assert status == (503 if name == "pool" else 200)
        assert bool(why) == (name == "pool")
        await place.have_ended([held, *await place.launch(OTHERS)])
        assert (await readiness(place))[0] == 200
    assert {line["log_level"] for line in log_lines} <= {"debug", "info", "warning"}


async def test_a_server_full_of_strangers_is_waited_for(
    small_database: Database, log_lines: LogLines
) -> None:
    """P3, P4, F60: a replica that lost its connections gets none until the strangers leave."""
    async with a_place(small_database) as place:
        held = await place.hold()
        async with await small_database.connect("admin") as admin, AsyncExitStack() as strangers:
            await until(lambda: is_crowded(small_database, admin, strangers))
            place.shape.gate.set()
            status, why = await readiness(place)
            assert status == 503
            assert why
            assert not await place.is_over(held)
        await place.have_ended([held, *await place.launch(OTHERS)])
        assert (await readiness(place))[0] == 200
    assert {line["log_level"] for line in log_lines} <= {"debug", "info", "warning"}


async def is_crowded(database: Database, admin: Conn, strangers: AsyncExitStack) -> bool:
    """End our connections and take their places; whether none of ours is left."""
    await admin.execute(CUT.encode())
    try:
        while True:
            conn = await database.connect("service")
            await strangers.enter_async_context(conn)
    except psycopg.OperationalError:
        return await (await admin.execute(LEFT.encode())).fetchone() == (0,)
