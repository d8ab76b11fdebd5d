"""What happened to any run: for those who watch all of them at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from flowrunner.core.model import RunId
from flowrunner.db.events import EventRow
from flowrunner.db.pool import Conn

NOW = "SELECT clock_timestamp()"


async def read_clock(conn: Conn) -> datetime:
    """The database's time: that of events."""
    row = await (await conn.execute(NOW)).fetchone()
    assert row is not None  # noqa: S101  # a SELECT without FROM has one row
    return row[0]


# Runs that ended meanwhile are no longer live: those launched since then are found by their id.
LIST_MOVED = """
SELECT r.id, r.version
  FROM flow_runs r
  JOIN (SELECT run_id FROM live_runs
         UNION SELECT id FROM flow_runs WHERE id >= %(since)s
         UNION SELECT unnest(%(ids)s::uuid[])) AS x ON x.run_id = r.id
"""


async def list_versions(conn: Conn, since: UUID, ids: Sequence[RunId]) -> dict[RunId, int]:
    """How far the log goes of every live run, of those launched since, and of *ids*."""
    cur = await conn.execute(LIST_MOVED, {"since": since, "ids": list(ids)})
    return {RunId(run_id): version for run_id, version in await cur.fetchall()}


LIST_NEWS = """
SELECT e.run_id, e.seq, e.type, e.step_no, e.body, e.at
  FROM unnest(%(ids)s::uuid[], %(afters)s::bigint[]) AS x (run_id, after)
  JOIN flow_step_events e ON e.run_id = x.run_id AND e.seq > x.after
 WHERE e.at >= %(since)s AND (e.type LIKE 'run.%%' OR e.type LIKE 'approval.%%')
 ORDER BY e.at, e.run_id, e.seq
"""


async def list_news(conn: Conn, after: Mapping[RunId, int], since: datetime) -> list[EventRow]:
    """Events of runs and approvals, each run's after the given number, by time."""
    args = {"ids": list(after), "afters": list(after.values()), "since": since}
    cur = await conn.execute(LIST_NEWS, args)
    return [EventRow(RunId(row[0]), *row[1:]) for row in await cur.fetchall()]
