"""Read models for doors: runs, steps, events, reports and workers, as the wire shows them."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg_pool import PoolTimeout

from flowrunner.core.errors import (
    ConflictError,
    FlowRunnerError,
    NotFoundError,
    UnavailableError,
)
from flowrunner.core.graph import Graph
from flowrunner.core.model import RunId
from flowrunner.db import pages
from flowrunner.db.events import list_events
from flowrunner.db.lookup import RunHead, find_run_head
from flowrunner.db.pages import RunFilter
from flowrunner.db.pool import Conn, Pool
from flowrunner.db.workers import list_workers
from flowrunner.service import shapes
from flowrunner.service.roster import Roster
from flowrunner.wire.events import EventPage
from flowrunner.wire.runs import ENDED, ReportBody, Run, RunCounts, RunPage, StepList
from flowrunner.wire.workers import Worker, WorkerList

_LIVE = frozenset({"queued", "running", "paused"})
_LATEST_MS = (1 << 48) - 1


class NotFinishedError(ConflictError):
    code = "not-finished"


class BadCursorError(FlowRunnerError):
    code = "bad-cursor"


class NoReportError(NotFoundError):
    code = "no-report"


@dataclass(frozen=True, slots=True)
class Report:
    """A finished run's report: for people, and for machines."""

    body: ReportBody
    sarif: Any | None


class Views:
    """Reads only; every call is one moment's truth. All raise UnavailableError."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def list_runs(self, only: RunFilter, limit: int) -> RunPage:
        """Return a page, newest first. Its cursor is for `older`."""
        async with self._connection() as conn:
            statuses = set(only.statuses)
            live = bool(statuses) and statuses <= _LIVE
            find = pages.list_live_run_ids if live else pages.list_run_ids
            ids = await find(conn, only, limit + 1)
            lines = await pages.list_runs(conn, ids[:limit]) if ids else []
        cursor = _cursor(ids[limit - 1]) if len(ids) > limit else None
        return RunPage(items=tuple(map(shapes.run_row, lines)), next_cursor=cursor)

    async def count_runs(self, only: RunFilter) -> RunCounts:
        async with self._connection() as conn:
            return RunCounts(**await pages.count_runs(conn, only))

    async def get_run(self, run_id: RunId) -> Run:
        """Raises NotFoundError."""
        async with self._connection() as conn:
            # The page is read before the line: its version is never newer than what it labels.
            place = await pages.find_run_place(conn, run_id)
            lines = await pages.list_runs(conn, [run_id]) if place else []
        if place is None or not lines:
            raise _unknown(run_id)
        return shapes.run(lines[0], place)

    async def head(self, run_id: RunId) -> RunHead:
        """Where the run stands. Raises NotFoundError."""
        async with self._connection() as conn:
            head = await find_run_head(conn, run_id)
        if head is None:
            raise _unknown(run_id)
        return head

    async def list_steps(self, run_id: RunId) -> StepList:
        """Raises NotFoundError."""
        async with self._connection() as conn:
            graph = await self._graph(conn, run_id)
            lines = await pages.list_steps(conn, run_id)
        return shapes.step_list(lines, graph)

    async def roster(self, run_id: RunId) -> Roster:
        """What is needed to show the run's events. Raises NotFoundError."""
        async with self._connection() as conn:
            return Roster(await self._graph(conn, run_id))

    async def list_events(self, run_id: RunId, after: int, limit: int) -> EventPage:
        """The events after *after*, in order. Raises NotFoundError."""
        async with self._connection() as conn:
            head = await find_run_head(conn, run_id)
            if head is None:
                raise _unknown(run_id)
            roster = Roster(await self._graph(conn, run_id))
            rows = await list_events(conn, run_id, after=after, limit=limit)
        reached = rows[-1].seq if rows else after
        ended = head.status.is_terminal and reached >= head.version
        shown = tuple(map(roster.show, rows))
        return EventPage(items=shown, next_after=reached, ended=ended)

    async def report(self, run_id: RunId) -> Report:
        """Raises NotFinishedError while the run is live, NoReportError when it left none."""
        async with self._connection() as conn:
            line = await pages.find_report(conn, run_id)
        if line is None:
            raise _unknown(run_id)
        if line.status not in ENDED:
            hint = f"watch it: GET /api/v1/runs/{run_id}/events"
            raise NotFinishedError(f"the run is {line.status}", hint=hint, status=line.status)
        if line.body is None:
            message = f"the run {_ended_as(line.status)} without a report"
            raise NoReportError(message, status=line.status)
        stored: dict[str, Any] = json.loads(line.body)
        return Report(shapes.report(run_id, line, stored), stored.get("sarif"))

    async def list_workers(self) -> WorkerList:
        async with self._connection() as conn:
            found = await list_workers(conn)
        return WorkerList(
            items=tuple(Worker.model_validate(w, from_attributes=True) for w in found)
        )

    async def ping(self) -> None:
        """Raises UnavailableError when the database is away or takes no writes."""
        async with self._connection() as conn:
            if not await pages.ping(conn):
                raise UnavailableError("the database is a standby: it takes no writes")

    async def _graph(self, conn: Conn, run_id: RunId) -> Graph:
        graph = await pages.find_graph(conn, run_id)
        if graph is None:
            raise _unknown(run_id)
        return Graph.from_json(graph)

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[Conn]:
        try:
            async with self._pool.connection() as conn:
                yield conn
        except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, OSError) as error:
            raise UnavailableError("the database is away", reason=str(error).strip()) from error


def since(only: RunFilter, at: datetime) -> RunFilter:
    """Keep runs launched at *at* or later: an id begins with its launch's milliseconds."""
    milliseconds = min(max(int(at.timestamp() * 1000), 0), _LATEST_MS)
    return replace(only, since=UUID(int=milliseconds << 80))


def older(only: RunFilter, cursor: str) -> RunFilter:
    """Go on after the page that gave *cursor*. Raises BadCursorError."""
    try:
        before = UUID(bytes=base64.urlsafe_b64decode(cursor + "=="))
    except (ValueError, UnicodeError):
        hint = "take next_cursor from the page before, or leave the cursor out"
        raise BadCursorError("the cursor is not one of ours", hint=hint) from None
    return replace(only, before=before)


def _cursor(last: UUID) -> str:
    return base64.urlsafe_b64encode(last.bytes).decode().rstrip("=")


def _unknown(run_id: RunId) -> NotFoundError:
    return NotFoundError("there is no such run", run_id=str(run_id))


def _ended_as(status: str) -> str:
    return {"completed": "completed", "failed": "failed"}.get(status, f"was {status}")
