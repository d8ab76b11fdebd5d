"""Projects are made by whoever launches against them first, and that may be several at once."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from fixtures.databases import Database
from flowrunner.db.projects import ensure_project

pytestmark = pytest.mark.anyio

ROUNDS = 50


async def test_replicas_that_meet_a_project_at_once_agree(database: Database) -> None:
    """P5: all of them get the one row, and none an error, whichever constraint they meet on."""
    async with AsyncExitStack() as stack:
        conns = [await stack.enter_async_context(await database.connect()) for _ in range(4)]
        for number in range(ROUNDS):
            root = Path(f"/srv/{number}/project")
            found = await asyncio.gather(*(ensure_project(conn, root) for conn in conns))

            assert len({project.id for project in found}) == 1
            assert found[0].root == str(root)
