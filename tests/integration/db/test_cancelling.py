"""Whoever is told to stop while it waits for the database stops, whatever arrives meanwhile."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from fixtures.databases import Database
from flowrunner.db.pool import Pool, heeding, make_pool

pytestmark = pytest.mark.anyio


async def fate(task: asyncio.Task[Any]) -> str:
    await asyncio.wait((task,))
    return "cancelled" if task.cancelled() else repr(task.result())


async def test_a_pool_does_not_swallow_a_cancellation(database: Database) -> None:
    """L5, P3: the connection comes together with the word to stop: it stays in the pool."""
    pool: Pool = make_pool(database.address(), name="flowrunner-test", size=1)
    async with pool:
        held = await pool.getconn()
        waiting = asyncio.create_task(pool.getconn())
        while _is_given(pool):
            await asyncio.sleep(0)
        handing = asyncio.create_task(pool.putconn(held))
        while not _is_given(pool):
            await asyncio.sleep(0)
        waiting.cancel()
        await handing

        assert await fate(waiting) == "cancelled"
        async with pool.connection(timeout=2) as conn:
            await conn.execute("SELECT 1")


def _is_given(pool: Pool) -> bool:
    """Whether nobody is in the queue for a connection any more."""
    return not pool._waiting  # pyright: ignore[reportPrivateUsage]  # no other way to see it


async def test_heeding_hears_what_was_asked_for_inside_only() -> None:
    """L5: whoever cleans up after a cancellation may still use the database."""

    async def cleaning() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            with heeding():
                await asyncio.sleep(0)
            return "cleaned"
        return "never"

    task = asyncio.create_task(cleaning())
    await asyncio.sleep(0)
    task.cancel()
    assert await task == "cleaned"


async def test_heeding_says_what_was_lost() -> None:
    """L5: a cancellation that somebody swallowed inside is raised at the end."""

    async def swallowing() -> str:
        with heeding(), suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return "went on"

    task = asyncio.create_task(swallowing())
    await asyncio.sleep(0)
    task.cancel()
    assert await fate(task) == "cancelled"
