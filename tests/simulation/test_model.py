"""The model answers as PostgreSQL does: what schedules asked it, the real functions are asked too."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import psycopg
import pytest

from fixtures.databases import RESET, Database
from flowrunner.db import apply as db_apply
from flowrunner.db import launch, queue, results, runs, stalls, timers, workers
from flowrunner.db.events import LIST_EVENTS
from flowrunner.db.queue import ClaimedTask
from simulation.plans import plan_of
from simulation.play import record
from simulation.shapes import SHAPES

CLOCK = """
CREATE SCHEMA clocked;
GRANT USAGE ON SCHEMA clocked TO PUBLIC;
CREATE FUNCTION clocked.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
    SELECT timestamptz '2030-01-01' + make_interval(secs => current_setting('clocked.now')::float8)
$$;
CREATE FUNCTION clocked.pg_postmaster_start_time() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
    SELECT timestamptz '2030-01-01' + make_interval(secs => current_setting('clocked.start')::float8)
$$;
ALTER TABLE flow_runs ALTER COLUMN updated_at SET DEFAULT clocked.clock_timestamp();
DO $$
DECLARE f regprocedure;
BEGIN
    FOR f IN SELECT p.oid FROM pg_proc p WHERE p.proname ~ '_v[0-9]+$' LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = clocked, public, pg_catalog, pg_temp', f);
    END LOOP;
END $$;
"""
"""Time that the test tells: unqualified functions are looked for in this schema first."""

BEGIN = """
ALTER SEQUENCE claim_epoch_seq RESTART;
ALTER TABLE task_results ALTER COLUMN id RESTART;
INSERT INTO projects (id, name, root) OVERRIDING SYSTEM VALUE VALUES (1, 'project', '/');
"""
DEFINE = """
INSERT INTO flow_definitions (id, hash, name, graph, sources) OVERRIDING SYSTEM VALUE
VALUES (1, repeat('0', 64), 'f', %s, '{}')
"""
HASH = 21
"""The column of LOAD_RUN that holds the definition's hash, which a model does not need."""


def _claimed(rows: Sequence[Any]) -> list[Any]:
    """The tasks and leases; of those offered in one instant, whichever."""
    return [
        (r.task_id, r.epoch, r.input) if isinstance(r, ClaimedTask) else (r[0], r[4], r[15])
        for r in rows
    ]


def _loaded(rows: Sequence[Any]) -> list[Any]:
    return [(*row[:HASH], *row[HASH + 1 :]) for row in rows]


def _unread(rows: Sequence[Any]) -> list[Any]:
    """Whatever way JSON is written."""
    return [(*r[:7], *(None if t is None else json.loads(t) for t in r[7:9])) for r in rows]


def _stale(rows: Sequence[Any]) -> list[Any]:
    return [
        (
            run,
            verdict,
            sorted(json.dumps(guard, sort_keys=True) for guard in stale or ()),
            _taken(t),
        )
        for run, verdict, stale, t in rows
    ]


def _launched(rows: Sequence[Any]) -> list[Any]:
    return [(*row[:3], _taken(row[3])) for row in rows]


def _taken(tasks: Sequence[Sequence[int]] | None) -> list[tuple[int, ...]]:
    return [tuple(task) for task in tasks or ()]


def _as_they_are(rows: Sequence[Any]) -> list[Any]:
    return [tuple(row) for row in rows]


READ: Mapping[str, Callable[[Sequence[Any]], list[Any]]] = {
    db_apply.APPLY: _stale,
    launch.LAUNCH: _launched,
    runs.LOAD_RUN: _loaded,
    LIST_EVENTS: lambda rows: [tuple(row[:5]) for row in rows],
    timers.LIST_DUE: _as_they_are,
    timers.SECONDS_TO_NEXT: lambda rows: [None if r[0] is None else round(r[0], 3) for r in rows],
    queue.LIST_DEAD: lambda rows: [tuple(row[1:]) for row in rows],
    stalls.LIST_STALLED: _as_they_are,
    results.LIST_UNREAD: _unread,
    workers.RENEW: lambda rows: [
        (known, sorted(lost), sorted(paused)) for known, lost, paused in rows
    ],
    queue.CLAIM: _claimed,
    queue.RELEASE: _as_they_are,
    queue.RELEASE_UNKNOWN: _as_they_are,
}
"""What of an answer is compared; what is not here answers nothing, or nothing that matters."""


@pytest.mark.parametrize("shape", SHAPES)
def test_the_model_answers_as_postgresql_does(fresh_database: Database, shape: str) -> None:
    """P2, P7: verdicts, claims, rows, events, timers, dead leases and stalls, one by one."""
    first, compared = tuple(SHAPES).index(shape), 0
    with psycopg.connect(fresh_database.address("admin"), autocommit=True) as conn:
        conn.execute(CLOCK.encode())
        conn.execute("SET search_path = clocked, public, pg_catalog")
        for seed in range(first, 6 * len(SHAPES), len(SHAPES)):
            compared += _compared(conn, seed)

    assert compared > 150


def _compared(conn: psycopg.Connection[Any], seed: int) -> int:
    plan = plan_of(seed)
    conn.execute(RESET.encode())
    conn.execute(BEGIN.encode())
    conn.execute(DEFINE.encode(), (json.dumps(plan.what.stored),))
    compared = 0
    for now, started_at, statement, args, answer in record(plan):
        times = (str(now), str(started_at))
        conn.execute(
            "SELECT set_config('clocked.now', %s, false), set_config('clocked.start', %s, false)",
            times,
        )
        cur = conn.execute(statement.encode(), args)
        read = READ.get(statement)
        if read is not None:
            assert read(cur.fetchall()) == read(answer), f"seed {seed}, {now}: {statement} {args}"
            compared += 1
    return compared
