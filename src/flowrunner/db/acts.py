"""Who did what to a run, and when; and how the step stands that a key means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flowrunner.core.model import RunId
from flowrunner.db.pool import Conn


@dataclass(frozen=True, slots=True)
class Act:
    type: str
    body: dict[str, Any]
    at: datetime

    @property
    def actor(self) -> str:
        """Nobody in particular for what the engine did by itself."""
        return str(self.body.get("actor", ""))


# Read backwards along the primary key: what people did last is near the end.
FIND_LAST_ACT = """
SELECT type, body, at
  FROM flow_step_events
 WHERE run_id = %(run_id)s AND type = ANY (%(types)s)
 ORDER BY seq DESC
 LIMIT 1
"""


async def find_last_act(conn: Conn, run_id: RunId, types: Sequence[str]) -> Act | None:
    """The run's last event of one of *types*."""
    args = {"run_id": run_id, "types": list(types)}
    row = await (await conn.execute(FIND_LAST_ACT, args)).fetchone()
    return None if row is None else Act(row[0], row[1], row[2])


@dataclass(frozen=True, slots=True)
class StepEnd:
    """How a step stands, for whoever wants to stop it."""

    number: int
    status: str
    error: dict[str, Any] | None
    finished_at: datetime | None


# A child that was left behind had the same key as its successor: the last one is meant.
FIND_STEP_END = """
SELECT step_no, status, error, finished_at
  FROM flow_steps
 WHERE run_id = %(run_id)s AND key = %(key)s
 ORDER BY step_no DESC
 LIMIT 1
"""


async def find_step_end(conn: Conn, run_id: RunId, key: str) -> StepEnd | None:
    """The step by its key; None when the run has no such step."""
    row = await (await conn.execute(FIND_STEP_END, {"run_id": run_id, "key": key})).fetchone()
    return None if row is None else StepEnd(*row)
