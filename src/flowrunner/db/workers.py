"""Statements on workers: one row per process that holds leases, renewed as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from flowrunner.db.pool import Conn


@dataclass(frozen=True, slots=True)
class WorkerRow:
    worker_id: UUID
    name: str
    host: str
    pid: int
    queues: tuple[str, ...]
    slots: int
    version: str


REGISTER = """
SELECT register_worker_v1(%(worker_id)s, %(name)s, %(host)s, %(pid)s, %(queues)s, %(slots)s,
                          %(version)s, %(lease)s)
"""


async def register(conn: Conn, worker: WorkerRow, lease_seconds: float) -> None:
    """Make the worker known, so that it may claim. May be repeated."""
    args = {
        "worker_id": worker.worker_id,
        "name": worker.name,
        "host": worker.host,
        "pid": worker.pid,
        "queues": list(worker.queues),
        "slots": worker.slots,
        "version": worker.version,
        "lease": lease_seconds,
    }
    await conn.execute(REGISTER, args)


@dataclass(frozen=True, slots=True)
class Renewal:
    """*known* is false when the worker must register again; *lost* epochs are no longer held.

    *paused* are the providers that answer nobody, each with the seconds from now until it does.
    """

    known: bool
    lost: tuple[int, ...]
    paused: Mapping[str, float] = field(default_factory=dict[str, float])


RENEW = "SELECT known, lost, paused FROM renew_v2(%(worker)s, %(lease)s, %(held)s::bigint[])"


async def renew(conn: Conn, worker_id: UUID, lease_seconds: float, held: Sequence[int]) -> Renewal:
    """Prolong the lease of everything the worker holds, in one row."""
    args = {"worker": worker_id, "lease": lease_seconds, "held": list(held)}
    cur = await conn.execute(RENEW, args)
    row = await cur.fetchone()
    assert row is not None  # noqa: S101  # one row always
    return Renewal(row[0], tuple(row[1]), row[2])


DEREGISTER = "SELECT deregister_worker_v1(%(worker)s)"


async def deregister(conn: Conn, worker_id: UUID) -> None:
    """Hand back what is held and remove the worker. May be repeated."""
    await conn.execute(DEREGISTER, {"worker": worker_id})


@dataclass(frozen=True, slots=True)
class WorkerView:
    id: UUID
    name: str
    host: str
    pid: int
    queues: list[str]
    slots: int
    version: str
    started_at: datetime
    expires_at: datetime
    is_live: bool
    held: int


LIST_WORKERS = """
SELECT w.id, w.name, w.host, w.pid, w.queues, w.slots, w.version, w.started_at, w.expires_at,
       w.expires_at > clock_timestamp() AS is_live,
       (SELECT count(*) FROM task_queue q WHERE q.worker_id = w.id AND q.epoch IS NOT NULL) AS held
  FROM workers w
 ORDER BY w.started_at, w.id
"""


async def list_workers(conn: Conn) -> list[WorkerView]:
    async with conn.cursor(row_factory=class_row(WorkerView)) as cur:
        await cur.execute(LIST_WORKERS)
        return await cur.fetchall()


# A dead worker's row is kept while its leases are being reaped, and a day for people to see.
DELETE_DEAD_WORKERS = """
DELETE FROM workers w
 WHERE w.expires_at < clock_timestamp() - interval '1 day'
   AND NOT EXISTS (SELECT FROM task_queue q WHERE q.worker_id = w.id AND q.epoch IS NOT NULL)
"""


async def delete_dead_workers(conn: Conn) -> int:
    return (await conn.execute(DELETE_DEAD_WORKERS)).rowcount
