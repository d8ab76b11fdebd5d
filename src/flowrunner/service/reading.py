"""What every read model needs: a connection, or a refusal that says that there is none."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import psycopg
from psycopg_pool import PoolTimeout

from flowrunner.core.errors import (
    MEANINGLESS,
    NotFoundError,
    UnavailableError,
    not_understood,
)
from flowrunner.core.graph import Graph
from flowrunner.core.model import RunId
from flowrunner.db.pool import Conn, Pool


@asynccontextmanager
async def connection(pool: Pool) -> AsyncGenerator[Conn]:
    """Raises UnavailableError when the database is away."""
    try:
        async with pool.connection() as conn:
            yield conn
    except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, OSError) as error:
        raise UnavailableError("the database is away", reason=str(error).strip()) from error


def read_graph(stored: dict[str, Any], run_id: UUID) -> Graph:
    """Raises NotUnderstoodError for one that a later version wrote."""
    try:
        return Graph.from_json(stored)
    except MEANINGLESS as error:
        raise not_understood(error, run_id) from error


def unknown_run(run_id: RunId) -> NotFoundError:
    return NotFoundError("there is no such run", run_id=str(run_id))
