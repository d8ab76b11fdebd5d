"""A provider says that its quota is used up until T: its pool pauses, and all goes on by itself."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Any

import pytest

from dispatch.stage import an_outfit, over_sql
from dispatch.test_rest import over_rest
from fixtures.databases import Database
from fixtures.libraries import a_flow, a_library, agent
from fixtures.runs import ended, events, forget, launch, steps, told, wake
from fixtures.services import Replicas
from fixtures.waiting import until
from flowrunner.bootstrap.service import Service, running
from flowrunner.bootstrap.working import build_worker
from flowrunner.core import events as ev
from flowrunner.dispatch.agents import CommandAgent

pytestmark = pytest.mark.anyio

PATIENCE = 30.0
FLOW = a_flow(agent("a", retry=0), agent("b", "a", retry=0))
# An agent asks its provider. One that is told to wait says until when with its last words.
AGENT = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as provider:
    provider.sendall(sys.argv[2].encode() + b"\\n")
    told = provider.makefile().readline().strip()
if told:
    sys.stderr.write(f"usage limit reached, resets at {told}")
    sys.exit(75)
print("heard", sys.stdin.read())
"""


@dataclass(slots=True)
class Provider:
    """Serves agents by name. From the first question of `acme` on it has no quota for it."""

    pause: float
    port: int = 0
    until: float = inf
    asked: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])

    async def hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name, now = (await reader.readline()).decode().strip(), time.time()
        self.asked.append((name, now))
        if name == "acme" and self.until == inf:
            self.until = now + self.pause
        if name == "acme" and now < self.until:
            writer.write(datetime.fromtimestamp(self.until, UTC).isoformat().encode())
        writer.write(b"\n")
        writer.close()

    def agents(self) -> dict[str, Any]:
        """Two agents as an operator configures them; one provider each, by their names."""
        return {
            name: {
                "kind": "command",
                "argv": [sys.executable, "-I", "-S", "-c", AGENT, str(self.port), name],
            }
            for name in ("acme", "other")
        }

    def starts(self, name: str = "acme") -> list[float]:
        return [at for who, at in self.asked if who == name]


@asynccontextmanager
async def a_provider(pause: float = 2.0) -> AsyncGenerator[Provider]:
    provider = Provider(pause)
    server = await asyncio.start_server(provider.hear, "127.0.0.1", 0)
    provider.port = server.sockets[0].getsockname()[1]
    async with server:
        yield provider


@asynccontextmanager
async def served(replicas: Replicas, provider: Provider, place: Path) -> AsyncGenerator[Service]:
    """The full service with its own worker, as `flowrunner serve` runs it."""
    given: dict[str, Any] = {"agents": provider.agents(), "data": place, "wall": "tool-level"}
    service = replicas.build(a_library(FLOW), **given)
    async with running(service, build_worker(service.settings, service)):
        yield service


async def test_a_quota_pauses_its_provider_and_nobody_else(
    replicas: Replicas, database: Database, tmp_path: Path
) -> None:
    """F52, none-has 3: no start of that provider before T, other agents go on, no attempt is burnt,
    and both runs end by themselves.
    """
    async with a_provider() as provider, served(replicas, provider, tmp_path) as service:
        first = await launch(service, agent="acme")
        await until(lambda: delayed(database, first))
        second = await launch(service, agent="acme")
        other = await launch(service, agent="other")
        assert await ended(service, other, PATIENCE) == "completed"
        ends = [await ended(service, run, PATIENCE) for run in (first, second)]

    assert ends == ["completed", "completed"]
    assert len(provider.starts()) == 5
    assert sum(at < provider.until for at in provider.starts()) == 1
    assert min(provider.starts("other")) < provider.until
    for run in (first, second):
        assert await steps(database, run, "failures") == {"a": "0", "b": "0"}
        assert "a#1 retrying: quota_exhausted" in await told(database, run)
        retried = [row.decoded() for row in await events(database, run)]
        assert not any(isinstance(each, ev.StepRetrying) and each.counted for each in retried)
    assert await database.value("SELECT provider FROM provider_pauses") == "acme"


@pytest.mark.parametrize("door", ["sql", "rest"])
async def test_workers_learn_it_from_each_other(
    replicas: Replicas, database: Database, tmp_path: Path, door: str
) -> None:
    """F52: one worker meets the limit, another hears of it by its renewal and asks no more."""
    async with a_provider(pause=4.0) as provider:
        service = await replicas.start(a_library(FLOW), agents=provider.agents())
        agents = {n: CommandAgent.model_validate(a) for n, a in provider.agents().items()}
        by_sql = an_outfit(database.address("dispatcher"), tmp_path, agents, slots=1)
        by_rest = an_outfit("", tmp_path, agents, slots=1)
        first_worker, second_worker = over_sql(by_sql), over_rest(by_rest, service)
        if door == "rest":
            first_worker, second_worker = over_rest(by_rest, service), over_sql(by_sql)

        async with first_worker:
            first = await launch(service, agent="acme")
            await until(lambda: delayed(database, first))
        async with second_worker:
            second = await launch(service, agent="acme")
            await until(lambda: delayed(database, second))
            assert len(provider.starts()) == 1
            ends = [await ended(service, run, PATIENCE) for run in (first, second)]

    assert ends == ["completed", "completed"]
    assert sum(at < provider.until for at in provider.starts()) == 1
    for run in (first, second):
        assert await steps(database, run, "failures") == {"a": "0", "b": "0"}


async def test_what_waits_for_quota_is_no_stalled_run(
    replicas: Replicas, database: Database, tmp_path: Path
) -> None:
    """P4, P12: a timer is a cause: nothing is repaired; and a cancel does not wait for a provider."""
    async with a_provider(600.0) as provider, served(replicas, provider, tmp_path) as service:
        run = await launch(service, agent="acme")
        await until(lambda: delayed(database, run))
        await forget(database, run)
        wake(service, "reaper")
        bystander = await launch(service, agent="other")
        assert await ended(service, bystander) == "completed"
        await service.runs.cancel(run, "enough", "test")
        assert await ended(service, run) == "cancelled"

    assert await told(database, run) == [
        "a#1 dispatched",
        "a#1 retrying: quota_exhausted",
        "a cancelled: run_cancelled",
        "b cancelled: run_cancelled",
        "run cancelled by test: enough",
    ]
    assert len(provider.starts()) == 1


async def delayed(database: Database, run: Any) -> bool:
    sql = "SELECT bool_or(delayed) FROM flow_steps WHERE run_id = %s"
    return await database.value(sql, (run,))
