"""Read-only statements for lists and pages: keyset paging by run id, which is ordered by time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import class_row

from flowrunner.core.model import RunId
from flowrunner.db.pool import Conn

FIRST = UUID(int=0)
LAST = UUID(int=(1 << 128) - 1)


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs: *since* is inclusive, *before* exclusive; no statuses means all of them.

    *waiting*: only those that wait for somebody's answer. *words* are part of the title.
    """

    flow: str | None = None
    statuses: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    since: UUID = FIRST
    before: UUID = LAST
    waiting: bool = False
    launched_by: str | None = None
    words: str | None = None

    def arguments(self) -> dict[str, Any]:
        return {
            "flow": self.flow,
            "statuses": list(self.statuses) or None,
            "labels": json.dumps(dict(self.labels)),
            "since": self.since,
            "before": self.before,
            "waiting": self.waiting,
            "launched_by": self.launched_by,
            "words": self.words,
        }


LIST_RUN_IDS = """
SELECT m.run_id
  FROM flow_run_meta m
  JOIN flow_runs r ON r.id = m.run_id
 WHERE m.run_id >= %(since)s AND m.run_id < %(before)s
   AND (%(flow)s::text IS NULL OR m.flow = %(flow)s)
   AND (%(statuses)s::text[] IS NULL OR r.status = ANY (%(statuses)s))
   AND m.labels @> %(labels)s::jsonb
   AND (%(launched_by)s::text IS NULL OR m.launched_by = %(launched_by)s)
   AND (%(words)s::text IS NULL OR strpos(lower(m.title), lower(%(words)s)) > 0)
   AND (NOT %(waiting)s::boolean
        OR EXISTS (SELECT FROM flow_approvals a WHERE a.run_id = m.run_id AND a.status = 'open'))
 ORDER BY m.run_id DESC
 LIMIT %(limit)s
"""


async def list_run_ids(conn: Conn, only: RunFilter, limit: int) -> list[UUID]:
    """The newest runs that match. Reads back in time until *limit* are found."""
    cur = await conn.execute(LIST_RUN_IDS, {**only.arguments(), "limit": limit})
    return [row[0] for row in await cur.fetchall()]


# Live runs are few among many: they are found by their own small table, not by reading history.
LIST_LIVE_RUN_IDS = """
SELECT m.run_id
  FROM live_runs l
  JOIN flow_run_meta m ON m.run_id = l.run_id
  JOIN flow_runs r ON r.id = l.run_id
 WHERE l.run_id >= %(since)s AND l.run_id < %(before)s
   AND (%(flow)s::text IS NULL OR m.flow = %(flow)s)
   AND r.status = ANY (%(statuses)s)
   AND m.labels @> %(labels)s::jsonb
   AND (%(launched_by)s::text IS NULL OR m.launched_by = %(launched_by)s)
   AND (%(words)s::text IS NULL OR strpos(lower(m.title), lower(%(words)s)) > 0)
   AND (NOT %(waiting)s::boolean
        OR EXISTS (SELECT FROM flow_approvals a WHERE a.run_id = m.run_id AND a.status = 'open'))
 ORDER BY l.run_id DESC
 LIMIT %(limit)s
"""


async def list_live_run_ids(conn: Conn, only: RunFilter, limit: int) -> list[UUID]:
    """As `list_run_ids`, for statuses that are not terminal; *only* must name some."""
    cur = await conn.execute(LIST_LIVE_RUN_IDS, {**only.arguments(), "limit": limit})
    return [row[0] for row in await cur.fetchall()]


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run as lists show it. Excluded steps are not counted, nor children left behind.

    *questions* of it are open.
    """

    id: UUID
    flow: str
    band: str
    status: str
    tolerated: int
    outcome: str | None
    title: str
    labels: dict[str, str]
    project: str
    launched_by: str
    trigger: str
    created_at: datetime
    finished_at: datetime | None
    error: dict[str, Any] | None
    input_tokens: int
    output_tokens: int
    cost_microusd: int
    steps_total: int
    steps_done: int
    steps_failed: int
    steps_running: int
    generation: int
    questions: int


LIST_RUNS = """
SELECT m.run_id AS id, m.flow, m.band, r.status, r.tolerated, r.outcome, m.title, m.labels,
       p.name AS project, m.launched_by, m.trigger, m.created_at, r.finished_at, r.error,
       r.input_tokens, r.output_tokens, r.cost_microusd,
       t.steps_total, t.steps_done, t.steps_failed, t.steps_running, r.generation,
       (SELECT count(*) FROM flow_approvals a
         WHERE a.run_id = m.run_id AND a.status = 'open') AS questions
  FROM flow_run_meta m
  JOIN flow_runs r ON r.id = m.run_id
  JOIN projects p ON p.id = m.project_id
 CROSS JOIN LATERAL (
       SELECT count(*) AS steps_total,
              count(s.finished_at) AS steps_done,
              count(*) FILTER (WHERE s.status = 'failed') AS steps_failed,
              count(*) FILTER (WHERE s.status = 'running') AS steps_running
         FROM flow_steps s
         LEFT JOIN flow_steps p ON p.run_id = s.run_id AND p.step_no = s.parent_no
        WHERE s.run_id = m.run_id AND s.status <> 'excluded'
          AND NOT (s.left_behind OR coalesce(p.left_behind, false))) AS t
 WHERE m.run_id = ANY (%(ids)s)
 ORDER BY m.run_id DESC
"""


async def list_runs(conn: Conn, ids: Sequence[UUID]) -> list[RunLine]:
    """The runs named, newest first, without payloads."""
    async with conn.cursor(row_factory=class_row(RunLine)) as cur:
        await cur.execute(LIST_RUNS, {"ids": list(ids)})
        return await cur.fetchall()


COUNT_RUNS = """
SELECT r.status, count(*)
  FROM flow_run_meta m
  JOIN flow_runs r ON r.id = m.run_id
 WHERE m.run_id >= %(since)s AND m.run_id < %(before)s
   AND (%(flow)s::text IS NULL OR m.flow = %(flow)s)
   AND (%(statuses)s::text[] IS NULL OR r.status = ANY (%(statuses)s))
   AND m.labels @> %(labels)s::jsonb
   AND (%(launched_by)s::text IS NULL OR m.launched_by = %(launched_by)s)
   AND (%(words)s::text IS NULL OR strpos(lower(m.title), lower(%(words)s)) > 0)
   AND (NOT %(waiting)s::boolean
        OR EXISTS (SELECT FROM flow_approvals a WHERE a.run_id = m.run_id AND a.status = 'open'))
 GROUP BY r.status
"""


async def count_runs(conn: Conn, only: RunFilter) -> dict[str, int]:
    """How many runs there are by status; one that no run has is missing."""
    cur = await conn.execute(COUNT_RUNS, only.arguments())
    return dict(await cur.fetchall())


# Open questions are few: they are counted from their own index, not by reading history.
COUNT_WAITING = """
SELECT count(DISTINCT a.run_id)
  FROM flow_approvals a
  JOIN flow_run_meta m ON m.run_id = a.run_id
  JOIN flow_runs r ON r.id = a.run_id
 WHERE a.status = 'open'
   AND m.run_id >= %(since)s AND m.run_id < %(before)s
   AND (%(flow)s::text IS NULL OR m.flow = %(flow)s)
   AND (%(statuses)s::text[] IS NULL OR r.status = ANY (%(statuses)s))
   AND m.labels @> %(labels)s::jsonb
   AND (%(launched_by)s::text IS NULL OR m.launched_by = %(launched_by)s)
   AND (%(words)s::text IS NULL OR strpos(lower(m.title), lower(%(words)s)) > 0)
"""


async def count_waiting(conn: Conn, only: RunFilter) -> int:
    """How many of the runs wait for somebody's answer; other steps of theirs may go on."""
    row = await (await conn.execute(COUNT_WAITING, only.arguments())).fetchone()
    return int(row[0]) if row else 0


@dataclass(frozen=True, slots=True)
class RunPlace:
    """What a run's own page shows beside its line; *input* is the stored body."""

    version: int
    project_root: str
    agent: str
    model: str | None
    definition: str
    input: bytes
    has_report: bool
    updated_at: datetime


FIND_RUN_PLACE = """
SELECT r.version, p.root AS project_root, m.agent, m.model, d.hash AS definition, b.body AS input,
       r.report_ref IS NOT NULL AS has_report, r.updated_at
  FROM flow_runs r
  JOIN flow_run_meta m ON m.run_id = r.id
  JOIN projects p ON p.id = m.project_id
  JOIN flow_definitions d ON d.id = r.definition_id
  JOIN payloads b ON b.ref = m.input_ref
 WHERE r.id = %(run_id)s
"""


async def find_run_place(conn: Conn, run_id: RunId) -> RunPlace | None:
    async with conn.cursor(row_factory=class_row(RunPlace)) as cur:
        await cur.execute(FIND_RUN_PLACE, {"run_id": run_id})
        return await cur.fetchone()


FIND_GRAPH = """
SELECT d.graph
  FROM flow_runs r
  JOIN flow_definitions d ON d.id = r.definition_id
 WHERE r.id = %(run_id)s
"""


async def find_graph(conn: Conn, run_id: RunId) -> dict[str, Any] | None:
    """The run's pinned graph as JSON; None when there is no such run."""
    row = await (await conn.execute(FIND_GRAPH, {"run_id": run_id})).fetchone()
    return None if row is None else row[0]


@dataclass(frozen=True, slots=True)
class ReportLine:
    """*body* is None when the run left no report."""

    flow: str
    status: str
    body: bytes | None


FIND_REPORT = """
SELECT m.flow, r.status, b.body
  FROM flow_runs r
  JOIN flow_run_meta m ON m.run_id = r.id
  LEFT JOIN payloads b ON b.ref = r.report_ref
 WHERE r.id = %(run_id)s
"""


async def find_report(conn: Conn, run_id: RunId) -> ReportLine | None:
    async with conn.cursor(row_factory=class_row(ReportLine)) as cur:
        await cur.execute(FIND_REPORT, {"run_id": run_id})
        return await cur.fetchone()


PING = "SELECT pg_is_in_recovery()"


async def ping(conn: Conn) -> bool:
    """Whether the database answers and takes writes."""
    row = await (await conn.execute(PING)).fetchone()
    return row is not None and not row[0]
