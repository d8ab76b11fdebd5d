"""A migration waits for locks briefly, since everybody waits behind it; then it comes again."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from uuid import uuid4

import pytest
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from fixtures.cluster import Server as Postgres
from fixtures.databases import Database
from fixtures.waiting import until
from flowrunner.db import migrations

pytestmark = pytest.mark.anyio

WAITING = """
SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
 WHERE NOT l.granted AND l.mode = 'AccessExclusiveLock' AND c.relname = 'flow_runs'
"""
LONGEST_SECONDS = 4.0
"""What a decision may have to wait: the lock's two seconds, and a slow machine."""


@pytest.fixture
def old(cluster: Postgres, spine_template: str) -> Generator[Database]:
    """A database whose way to today takes exclusive locks."""
    made = Database(f"flowrunner_locks_{uuid4().hex[:8]}", cluster)
    cluster.clone_database(made.name, spine_template)
    yield made
    cluster.drop_database(made.name)


async def test_a_migration_lets_go_and_comes_again(old: Database) -> None:
    """D2-18, ADR 7: behind a long reader it lets others pass every two seconds, and ends when it can."""
    with capture_logs() as logs:
        async with await old.connect() as reader, reader.transaction():
            await reader.execute("SELECT count(*) FROM flow_runs")
            upgrade = asyncio.create_task(
                asyncio.to_thread(migrations.upgrade, old.address("owner"))
            )
            await until(lambda: old.value(WAITING))
            async with asyncio.timeout(LONGEST_SECONDS):
                await old.sql("UPDATE flow_runs SET version = version", role="service")
            await until(lambda: logs)
            assert not upgrade.done()
            assert migrations.current(old.address("owner")) == "0001"

        assert await upgrade == migrations.head()
    assert {log["event"] for log in logs} == {"migration.locked_out"}
    assert await old.violations() == []


async def test_a_migration_gives_up_when_it_must(old: Database) -> None:
    """P11, ADR 7: after its patience the last refusal is raised, and nothing is changed."""
    async with await old.connect() as reader, reader.transaction():
        await reader.execute("SELECT count(*) FROM flow_runs")
        with pytest.raises(DBAPIError, match="lock timeout"):
            await asyncio.to_thread(migrations.upgrade, old.address("owner"), patience=0.0)

    assert migrations.current(old.address("owner")) == "0001"


async def test_an_upgrade_waits_for_whoever_makes_partitions(old: Database) -> None:
    """P5: a replica that makes next week's partitions is not met in the middle of giving rights."""
    held = "SELECT pg_advisory_xact_lock(x'666c6f78'::integer)"
    advisory = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"

    async with await old.connect() as replica, replica.transaction():
        await replica.execute(held)
        upgrade = asyncio.create_task(asyncio.to_thread(migrations.upgrade, old.address("owner")))
        await until(lambda: old.value(advisory))
        assert not upgrade.done()

    assert await upgrade == migrations.head()
