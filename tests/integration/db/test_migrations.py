"""Migrations: from nothing to the newest schema, once, however many start at the same time."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from fixtures.databases import Database
from fixtures.waiting import until
from flowrunner.db import migrations

LOCK = 0x666C6F77


def test_many_upgrades_at_once_are_one(empty_database: Database) -> None:
    """P5: replicas that start together take turns; the later ones find nothing to do."""
    owner = empty_database.address("owner")
    assert migrations.current(owner) is None

    with ThreadPoolExecutor(6) as threads:
        revisions = list(threads.map(migrations.upgrade, [owner] * 6))

    assert revisions == [migrations.head()] * 6
    with psycopg.connect(owner) as conn:
        assert conn.execute("SELECT version_num FROM alembic_version").fetchall() == [
            (migrations.head(),)
        ]


@pytest.mark.anyio
async def test_an_upgrade_waits_for_its_rival(empty_database: Database) -> None:
    """P5: the turn is taken by a transaction's lock, which no pooler and no crash leaves behind."""
    owner = empty_database.address("owner")
    waits = (
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )

    async with await empty_database.connect("owner") as rival, rival.transaction():
        await rival.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        upgrade = asyncio.create_task(asyncio.to_thread(migrations.upgrade, owner))
        await until(lambda: empty_database.value(waits))
        assert not upgrade.done()
        assert await asyncio.to_thread(migrations.current, owner) is None

    assert await upgrade == migrations.head()


def test_an_upgrade_may_be_repeated(database: Database) -> None:
    """A deployment that runs it twice changes nothing."""
    owner = database.address("owner")

    assert migrations.upgrade(owner) == migrations.current(owner) == migrations.head()


def test_an_upgrade_that_fails_leaves_nothing(empty_database: Database) -> None:
    """A schema is made whole or not at all."""
    with psycopg.connect(empty_database.address("owner"), autocommit=True) as conn:
        conn.execute("CREATE TABLE flow_steps (mine int)")

        with pytest.raises(Exception, match="already exists"):
            migrations.upgrade(empty_database.address("owner"))

        tables = conn.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " AND relkind IN ('r', 'p')"
        ).fetchall()
    assert tables == [("flow_steps",)]
    assert migrations.current(empty_database.address("owner")) is None
