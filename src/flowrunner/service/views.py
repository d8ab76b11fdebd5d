"""Read models for doors: runs, steps, events, reports and workers, as the wire shows them."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from flowrunner.core.errors import (
    ConflictError,
    NotFoundError,
    UnavailableError,
)
from flowrunner.core.graph import Graph
from flowrunner.core.model import RunId
from flowrunner.db import pages
from flowrunner.db.events import EventRow, list_events
from flowrunner.db.lookup import RunHead, find_run_head
from flowrunner.db.pages import RunFilter
from flowrunner.db.payloads import ref_of
from flowrunner.db.pool import Conn, Pool
from flowrunner.db.room import Room
from flowrunner.db.standing import Standing, find_standing
from flowrunner.db.step_pages import list_child_keys
from flowrunner.db.workers import list_workers
from flowrunner.service import cursors, shapes
from flowrunner.service.reading import connection, read_graph, unknown_run
from flowrunner.service.roster import Roster, bare
from flowrunner.service.sifting import Sieve
from flowrunner.wire.events import Event, EventPage
from flowrunner.wire.runs import ENDED, ReportBody, Run, RunCounts, RunPage
from flowrunner.wire.workers import Worker, WorkerList

_LIVE = frozenset({"queued", "running", "paused"})
_RUNS = "runs"
_OPEN = Sieve()
# One answer looks at so many pages of events for one that is wanted.
_MOST_PAGES = 20
_LATEST_MS = (1 << 48) - 1


class NotFinishedError(ConflictError):
    code = "not-finished"


class NoReportError(NotFoundError):
    code = "no-report"


@dataclass(frozen=True, slots=True)
class Report:
    """A finished run's report: for people, and for machines."""

    body: ReportBody
    sarif: Any | None
    ref: str
    """Changes when the report is rendered again."""


class Views:
    """Reads only; every call is one moment's truth. All raise UnavailableError."""

    def __init__(self, pool: Pool, room: Room) -> None:
        self._pool = pool
        self._room = room

    async def list_runs(self, only: RunFilter, limit: int) -> RunPage:
        """Return a page, newest first. Its cursor is for `older`."""
        async with connection(self._pool) as conn:
            statuses = set(only.statuses)
            live = bool(statuses) and statuses <= _LIVE
            find = pages.list_live_run_ids if live else pages.list_run_ids
            ids = await find(conn, only, limit + 1)
            lines = await pages.list_runs(conn, ids[:limit]) if ids else []
        cursor = cursors.write(_RUNS, str(ids[limit - 1])) if len(ids) > limit else None
        return RunPage(items=tuple(map(shapes.run_row, lines)), next_cursor=cursor)

    async def count_runs(self, only: RunFilter) -> RunCounts:
        async with connection(self._pool) as conn:
            counts = await pages.count_runs(conn, only)
            waiting = await pages.count_waiting(conn, only)
        return RunCounts(**counts, waiting=waiting)

    async def get_run(self, run_id: RunId) -> Run:
        """Raises NotFoundError."""
        async with connection(self._pool) as conn:
            # The page is read before the line: its version is never newer than what it labels.
            place = await pages.find_run_place(conn, run_id)
            lines = await pages.list_runs(conn, [run_id]) if place else []
        if place is None or not lines:
            raise unknown_run(run_id)
        return shapes.run(lines[0], place)

    async def head(self, run_id: RunId) -> RunHead:
        """Where the run stands. Raises NotFoundError."""
        async with connection(self._pool) as conn:
            head = await find_run_head(conn, run_id)
        if head is None:
            raise unknown_run(run_id)
        return head

    async def roster(self, run_id: RunId) -> Roster:
        """What is needed to show the run's events. Raises NotFoundError."""
        async with connection(self._pool) as conn:
            return await self._roster(conn, run_id)

    async def list_events(
        self, run_id: RunId, after: int, limit: int, sieve: Sieve = _OPEN
    ) -> EventPage:
        """The events after *after*, in order. A page may hold few: `next_after` leads on.

        Raises NotFoundError.
        """
        async with connection(self._pool) as conn:
            head = await find_run_head(conn, run_id)
            if head is None:
                raise unknown_run(run_id)
            roster = await self._roster(conn, run_id)
            shown: list[Event] = []
            reached = after
            for _ in range(1 if sieve.is_open else _MOST_PAGES):
                rows = await list_events(conn, run_id, after=reached, limit=limit)
                events = [roster.show(row) for row in rows]
                shown += filter(sieve.lets, events)
                reached = rows[-1].seq if rows else reached
                if shown or len(rows) < limit:
                    break
        ended = head.status.is_terminal and reached >= head.version
        return EventPage(items=tuple(shown), next_after=reached, ended=ended)

    async def shown(self, rows: AsyncIterator[EventRow]) -> AsyncGenerator[Event]:
        """Show events of many runs. Steps are named, the roster of `run.started` is left out."""
        async for row in rows:
            key = label = None
            if row.step_no is not None:
                key, label = (await self.roster(row.run_id)).named(row.step_no)
            yield bare(row).model_copy(update={"key": key, "label": label})

    async def report(self, run_id: RunId) -> Report:
        """Raises NotFinishedError while the run is live, NoReportError when it left none."""
        async with connection(self._pool) as conn:
            line = await pages.find_report(conn, run_id)
        if line is None:
            raise unknown_run(run_id)
        if line.status not in ENDED:
            hint = f"watch it: GET /api/v1/runs/{run_id}/events"
            raise NotFinishedError(f"the run is {line.status}", hint=hint, status=line.status)
        if line.body is None:
            message = f"the run {_ended_as(line.status)} without a report"
            raise NoReportError(message, status=line.status)
        stored: dict[str, Any] = json.loads(line.body)
        return Report(shapes.report(run_id, line, stored), stored.get("sarif"), ref_of(line.body))

    async def list_workers(self) -> WorkerList:
        async with connection(self._pool) as conn:
            found = await list_workers(conn)
        return WorkerList(
            items=tuple(Worker.model_validate(w, from_attributes=True) for w in found)
        )

    async def ping(self) -> None:
        """Raises UnavailableError when the database is away or takes no writes."""
        async with connection(self._pool) as conn:
            if not await pages.ping(conn):
                raise UnavailableError("the database is a standby: it takes no writes")
        if self._room.is_full:
            raise UnavailableError("the database's disk is full: it takes no writes")

    async def schema(self) -> Standing:
        """How the database stands to this version, whoever has upgraded it meanwhile."""
        async with connection(self._pool) as conn:
            return await find_standing(conn)

    async def _roster(self, conn: Conn, run_id: RunId) -> Roster:
        graph = await self._graph(conn, run_id)
        return Roster(graph, await list_child_keys(conn, run_id, len(graph.steps)))

    async def _graph(self, conn: Conn, run_id: RunId) -> Graph:
        graph = await pages.find_graph(conn, run_id)
        if graph is None:
            raise unknown_run(run_id)
        return read_graph(graph, run_id)


def since(only: RunFilter, at: datetime) -> RunFilter:
    """Keep runs launched at *at* or later: an id begins with its launch's milliseconds."""
    return replace(only, since=_first_id(at))


def until(only: RunFilter, at: datetime) -> RunFilter:
    """Keep runs launched before *at*."""
    return replace(only, before=min(only.before, _first_id(at)))


def older(only: RunFilter, cursor: str) -> RunFilter:
    """Go on after the page that gave *cursor*. Raises BadCursorError."""
    (text,) = cursors.read(cursor, _RUNS, str)
    try:
        before = UUID(text)
    except ValueError:
        raise cursors.bad() from None
    return replace(only, before=min(only.before, before))


def _first_id(at: datetime) -> UUID:
    milliseconds = min(max(int(at.timestamp() * 1000), 0), _LATEST_MS)
    return UUID(int=milliseconds << 80)


def _ended_as(status: str) -> str:
    return {"completed": "completed", "failed": "failed"}.get(status, f"was {status}")
