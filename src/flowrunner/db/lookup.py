"""Find runs by id, or by a part of one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flowrunner.core.model import RunId, RunStatus
from flowrunner.db.pool import Conn


@dataclass(frozen=True, slots=True)
class RunHead:
    run_id: RunId
    status: RunStatus
    version: int
    finished_at: datetime | None


FIND_RUN_HEAD = "SELECT id, status, version, finished_at FROM flow_runs WHERE id = %(run_id)s"


async def find_run_head(conn: Conn, run_id: RunId) -> RunHead | None:
    row = await (await conn.execute(FIND_RUN_HEAD, {"run_id": run_id})).fetchone()
    return None if row is None else RunHead(RunId(row[0]), RunStatus(row[1]), row[2], row[3])


# UUIDv7 begins with the time, so runs of one day share their beginning: people type its end.
FIND_HEADS = """
SELECT id, status, version, finished_at
  FROM flow_runs
 WHERE replace(id::text, '-', '') LIKE '%%' || %(part)s
    OR replace(id::text, '-', '') LIKE %(part)s || '%%'
 ORDER BY id DESC
 LIMIT %(limit)s
"""


async def find_heads(conn: Conn, part: str, *, limit: int = 10) -> list[RunHead]:
    """Runs whose id ends or begins with *part* (hexadecimal, hyphens ignored), newest first."""
    args = {"part": part.replace("-", ""), "limit": limit}
    rows = await (await conn.execute(FIND_HEADS, args)).fetchall()
    return [RunHead(RunId(row[0]), RunStatus(row[1]), row[2], row[3]) for row in rows]


LIST_RECENT_IDS = "SELECT id FROM flow_runs ORDER BY id DESC LIMIT %(limit)s"


async def list_recent_ids(conn: Conn, limit: int) -> list[RunId]:
    rows = await (await conn.execute(LIST_RECENT_IDS, {"limit": limit})).fetchall()
    return [RunId(row[0]) for row in rows]
