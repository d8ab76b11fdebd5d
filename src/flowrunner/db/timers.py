"""Statements on flow_timers. Due times are the database's; a fired timer goes with its decision."""

from __future__ import annotations

from dataclasses import dataclass

from flowrunner.core.inputs import TimerKind
from flowrunner.core.model import RunId
from flowrunner.db.pool import Conn


@dataclass(frozen=True, slots=True)
class DueTimer:
    run_id: RunId
    step_no: int
    kind: TimerKind
    token: int


# Those that a later version has added wait for its replicas.
_KINDS = [kind.value for kind in TimerKind]

LIST_DUE = """
SELECT run_id, step_no, kind, token
  FROM flow_timers
 WHERE due_at <= clock_timestamp() AND kind = ANY (%(kinds)s)
 ORDER BY due_at
 LIMIT %(limit)s
"""


async def list_due(conn: Conn, *, limit: int = 500) -> list[DueTimer]:
    cur = await conn.execute(LIST_DUE, {"limit": limit, "kinds": _KINDS})
    return [
        DueTimer(RunId(run), step, TimerKind(kind), token)
        for run, step, kind, token in await cur.fetchall()
    ]


SECONDS_TO_NEXT = """
SELECT extract(epoch FROM min(due_at) - clock_timestamp())::float8 FROM flow_timers
 WHERE kind = ANY (%(kinds)s)
"""


async def seconds_to_next(conn: Conn) -> float | None:
    """How long until the next timer is due; None when there is none."""
    row = await (await conn.execute(SECONDS_TO_NEXT, {"kinds": _KINDS})).fetchone()
    return row[0] if row else None


DELETE_TIMER = """
DELETE FROM flow_timers
 WHERE run_id = %(run_id)s AND step_no = %(step_no)s AND kind = %(kind)s AND token = %(token)s
"""


async def delete_timer(conn: Conn, timer: DueTimer) -> None:
    """Remove a timer that no longer means anything to its run."""
    args = {
        "run_id": timer.run_id,
        "step_no": timer.step_no,
        "kind": timer.kind,
        "token": timer.token,
    }
    await conn.execute(DELETE_TIMER, args)
