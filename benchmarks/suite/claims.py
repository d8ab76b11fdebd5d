"""Claims beside 1,000,000 finished tasks, and while a forgotten transaction pins the dead rows."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID, uuid4

import psycopg

from flowrunner.bootstrap import Addresses
from suite.stage import Figures, Stage

_REGISTER = "SELECT register_worker_v1(%s, 'bench', 'here', 1, '{default}', 1, '0', 3600)"
_PROJECT = "INSERT INTO projects (name, root) VALUES ('bench', '/') RETURNING id"
_TASKS = """
INSERT INTO tasks (run_id, step_no, attempt, project_id, step_key, kind, queue, agent, mode_id,
                   total_seconds)
SELECT %s, g, 1, %s, 's' || g, 'code', 'default', '', 'plan', 60
  FROM generate_series(%s::int, %s::int) g
"""
_OFFER = """
INSERT INTO task_queue (run_id, step_no, attempt, queue, sort_key)
SELECT %s, g, 1, 'default', (extract(epoch FROM clock_timestamp()) * 1000)::bigint
  FROM generate_series(%s::int, %s::int) g
"""
_CLAIM = "SELECT epoch FROM claim_v1(%s, '{default}', %s)"
_DROP = "DELETE FROM task_queue WHERE worker_id = %s"
_BATCH = 100


async def measure(stage: Stage) -> Figures:
    finished, churned = stage.size(1_000_000, 20_000), stage.size(50_000, 2_000)
    with stage.database() as addresses, psycopg.connect(addresses.owner, autocommit=True) as conn:
        me, run = uuid4(), uuid4()
        conn.execute(_REGISTER, (me,))
        (project,) = conn.execute(_PROJECT).fetchone() or (0,)
        conn.execute("SET statement_timeout = 0")
        conn.execute(_TASKS, (run, project, 0, finished - 1))
        conn.execute("VACUUM ANALYZE")
        free = _claims(conn, me, run)
        with _pinned(addresses):
            for at in range(0, churned, 1_000):
                conn.execute(_OFFER, (run, at, at + 999))
                conn.execute(_CLAIM, (me, 1_000))
                conn.execute(_DROP, (me,))
            pinned = _claims(conn, me, run)
    return {
        "claim_ms": free[0],
        "claim_of_100_ms": free[1],
        "claim_pinned_ms": pinned[0],
        "claim_of_100_pinned_ms": pinned[1],
    }


def _pinned(addresses: Addresses) -> psycopg.Connection[Any]:
    """Somebody's open transaction: no row that died after it began can be removed."""
    conn = psycopg.connect(addresses.owner)
    conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    conn.execute("SELECT count(*) FROM projects")
    return conn


def _claims(conn: psycopg.Connection[Any], me: UUID, run: UUID) -> tuple[float, float]:
    """Median milliseconds of a claim of one task, and of a hundred."""
    return _median(conn, me, run, 1), _median(conn, me, run, _BATCH)


def _median(conn: psycopg.Connection[Any], me: UUID, run: UUID, count: int) -> float:
    seconds: list[float] = []
    for _ in range(51):
        conn.execute(_OFFER, (run, 0, count - 1))
        began = time.perf_counter()
        rows = conn.execute(_CLAIM, (me, count)).fetchall()
        seconds.append(time.perf_counter() - began)
        assert len(rows) == count
        conn.execute(_DROP, (me,))
    return sorted(seconds)[len(seconds) // 2] * 1000
