"""A replica that has nothing to do: the share of a core it takes, and what it asks the database."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import psycopg

from suite.processes import replica
from suite.stage import Figures, Stage, process_seconds, server_seconds

_COMMITS = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"


async def measure(stage: Stage) -> Figures:
    seconds = stage.size(30, 10)
    with stage.database() as addresses, stage.admin(addresses) as conn:
        started = replica(stage, addresses)
        with started as one:
            await asyncio.sleep(5)
            pid = one.process.pid
            before = (process_seconds(pid), server_seconds(conn), _commits(conn))
            began = time.monotonic()
            await asyncio.sleep(seconds)
            after = (process_seconds(pid), server_seconds(conn), _commits(conn))
            spent = time.monotonic() - began
    python, postgres, commits = (b - a for a, b in zip(before, after, strict=True))
    return {
        "idle_python_percent": python / spent * 100,
        "idle_postgres_percent": postgres / spent * 100,
        # What this benchmark itself asked in between is not the replica's.
        "idle_statements_per_second": (commits - 1) / spent,
    }


def _commits(conn: psycopg.Connection[Any]) -> int:
    row = conn.execute(_COMMITS).fetchone()
    assert row is not None
    return int(row[0])
