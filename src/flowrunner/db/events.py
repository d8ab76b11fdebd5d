"""Statements on flow_step_events: append-only, read by (run, seq)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flowrunner.core.codec import decode
from flowrunner.core.events import Event
from flowrunner.core.model import RunId
from flowrunner.db.pool import Conn


@dataclass(frozen=True, slots=True)
class EventRow:
    run_id: RunId
    seq: int
    type: str
    step_no: int | None
    body: dict[str, Any]
    at: datetime

    def decoded(self) -> Event:
        """Raises KeyError for a type that this version does not know."""
        return decode(self.type, self.step_no, self.body)


LIST_EVENTS = """
SELECT run_id, seq, type, step_no, body, at
  FROM flow_step_events
 WHERE run_id = %(run_id)s AND seq > %(after)s
 ORDER BY seq
 LIMIT %(limit)s
"""


async def list_events(
    conn: Conn, run_id: RunId, *, after: int = 0, limit: int = 1000
) -> list[EventRow]:
    """The run's events after *after*, in order, without a gap."""
    cur = await conn.execute(LIST_EVENTS, {"run_id": run_id, "after": after, "limit": limit})
    return [EventRow(RunId(row[0]), *row[1:]) for row in await cur.fetchall()]


LAST_SEQS = "SELECT id, version FROM flow_runs WHERE id = ANY (%(run_ids)s)"


async def last_seqs(conn: Conn, run_ids: Sequence[RunId]) -> dict[RunId, int]:
    """How far each run's log goes: the version is the sequence number of its last event."""
    cur = await conn.execute(LAST_SEQS, {"run_ids": list(run_ids)})
    return {RunId(run_id): version for run_id, version in await cur.fetchall()}
