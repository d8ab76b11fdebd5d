"""What a connection does when an answer does not come, and the server when a question does not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import psycopg
import pytest

from crashpoints.points import under_way
from faults.wire.proxy import Fault
from faults.wire.stage import WireStage, staged
from fixtures.databases import Database
from flowrunner.db import connection, pool
from flowrunner.db.pool import AWAY, is_refusal, make_pool

NAME = "flowrunner-test"
LOCK = "SELECT pg_advisory_xact_lock(%s)"
SYNC = 5
"""The bytes of the message that ends a request, and with it its transaction."""


async def until(look: Callable[[], Awaitable[bool]]) -> None:
    """Look until it is so, in the server's own time."""
    end = time.monotonic() + 10
    with under_way():
        while not await look():
            assert time.monotonic() < end
            await asyncio.sleep(0.05)


def test_a_silent_connection_is_lost_and_replaced(database: Database) -> None:
    """P3: nobody learns whether the statement was done; the pool hands out another connection."""

    async def strike(stage: WireStage) -> None:
        made = make_pool(stage.proxy.addresses.database, name=NAME, size=1)
        await stage.proxy.begin(None)
        async with made:
            async with made.connection() as conn:
                await conn.execute(LOCK, (4711,))
                carried = stage.proxy.carried[NAME, "down"]
            stage.proxy.fault = Fault("blackhole", (NAME, "down"), carried + 1, False, None)
            began = asyncio.get_running_loop().time()
            with pytest.raises(psycopg.OperationalError, match="no answer within") as raised:
                async with made.connection() as conn:
                    await conn.execute(LOCK, (4711,))
            waited = asyncio.get_running_loop().time() - began
            async with made.connection() as conn:
                await conn.execute(LOCK, (4711,))
        assert connection.ANSWER_SECONDS <= waited < connection.ANSWER_SECONDS + 5
        assert not is_refusal(raised.value)

    staged(database, strike)


def test_the_server_does_not_wait_for_the_rest_of_a_statement(database: Database) -> None:
    """P3: what it did of it is undone and its locks are free; that is no refusal."""

    async def strike(stage: WireStage) -> None:
        cur = await stage.admin.execute("SELECT current_setting('transaction_timeout', true)")
        if await cur.fetchone() == (None,):
            pytest.skip("before PostgreSQL 17 there is no such limit")
        made = make_pool(stage.proxy.addresses.database, name=NAME, size=1)
        await stage.proxy.begin(None)
        async with made, made.connection() as conn:
            await conn.execute("SET transaction_timeout = '1s'")
            before = stage.proxy.carried[NAME, "up"]
            await conn.execute(LOCK, (4711,))
            size = stage.proxy.carried[NAME, "up"] - before
            at = before + 2 * size - SYNC + 1
            stage.proxy.fault = Fault("blackhole", (NAME, "up"), at, False, 6.0)
            asking = asyncio.create_task(conn.execute(LOCK, (4711,)))
            await until(lambda: is_locked(stage))
            await until(lambda: is_free(stage))
            with pytest.raises(psycopg.errors.TransactionTimeout) as raised:
                await asking
        assert isinstance(raised.value, AWAY)
        assert not is_refusal(raised.value)

    staged(database, strike)


async def is_locked(stage: WireStage) -> bool:
    cur = await stage.admin.execute("SELECT FROM pg_locks WHERE locktype = 'advisory'")
    return cur.rowcount == 1


async def is_free(stage: WireStage) -> bool:
    return not await is_locked(stage)


@pytest.mark.parametrize(
    "error", [psycopg.errors.TransactionTimeout, psycopg.errors.IdleInTransactionSessionTimeout]
)
def test_a_session_that_the_server_ended_is_no_refusal(error: type[psycopg.Error]) -> None:
    """P3: psycopg takes its class of errors for mistakes of ours; a loop must outlive them."""
    assert issubclass(error, AWAY)
    assert not is_refusal(error("gone"))


def test_the_server_is_told_every_limit(database: Database) -> None:
    """P3: a client that went without a word is noticed in seconds, on both sides."""
    shown = "SELECT name, setting FROM pg_settings WHERE name = ANY (%s)"

    async def look() -> dict[str, str]:
        made = make_pool(database.address(), name=NAME, size=1)
        async with made, made.connection() as conn:
            return dict(
                await (await conn.execute(shown, ([*pool.SESSION, "lock_timeout"],))).fetchall()
            )

    told = asyncio.run(look())

    assert (told["statement_timeout"], told["lock_timeout"]) == ("30000", "10000")
    assert told.get("transaction_timeout", "45000") == "45000"
    assert told["idle_in_transaction_session_timeout"] == "30000"
