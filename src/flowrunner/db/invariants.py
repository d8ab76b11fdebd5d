"""What must be true of every database at every instant, as statements that find what is not.

Each is one statement, and so sees one snapshot: a service may go on working meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

from flowrunner.core.model import RunId
from flowrunner.db import laws_of_runs as runs
from flowrunner.db import laws_of_work as work
from flowrunner.db.pool import Conn


@dataclass(frozen=True, slots=True)
class Broken:
    """An invariant that does not hold; *run_id* is None when it is no single run's."""

    code: str
    run_id: RunId | None
    message: str


@dataclass(frozen=True, slots=True)
class Invariant:
    """A law by its code and the statement that finds breaches of it: (run id, message)."""

    code: str
    find: LiteralString


MOST = 1000
"""Breaches listed per invariant; how many there are beyond it is said, not shown."""


async def find_broken(conn: Conn, invariant: Invariant, most: int = MOST) -> list[Broken]:
    """Every breach of *invariant*, at most *most* of them and then one line that says so."""
    cur = await conn.execute(invariant.find + " LIMIT %(limit)s", {"limit": most + 1})
    rows = await cur.fetchall()
    broken = [
        Broken(invariant.code, None if row[0] is None else RunId(row[0]), row[1]) for row in rows
    ]
    if len(broken) > most:
        broken[most:] = [Broken(invariant.code, None, f"more than {most}: the rest is not listed")]
    return broken


LIST_RUN_IDS = "SELECT id FROM flow_runs WHERE id > %(after)s ORDER BY id LIMIT %(limit)s"


async def list_run_ids(conn: Conn, after: RunId, limit: int) -> list[RunId]:
    """A page of all runs, by id."""
    cur = await conn.execute(LIST_RUN_IDS, {"after": after, "limit": limit})
    return [RunId(row[0]) for row in await cur.fetchall()]


INVARIANTS: tuple[Invariant, ...] = (
    Invariant("I1", runs.ENDED_TWICE),
    Invariant("I2", work.QUEUED_AMISS),
    Invariant("I2", work.SHARED_EPOCH),
    Invariant("I3", work.EPOCH_WENT_BACK),
    Invariant("I3", work.OLD_LEASE),
    Invariant("I3", work.FENCE_BEHIND),
    Invariant("I4", work.NO_CAUSE),
    Invariant("I4", work.NOT_LIVE),
    Invariant("I4", work.STEP_WITHOUT_CAUSE),
    Invariant("I4", work.APPROVAL_AMISS),
    Invariant("P6", work.TIMER_WITHOUT_STEP),
    Invariant("P6", work.CHILD_AMISS),
    Invariant("I5", runs.LOG_AMISS),
    Invariant("I5", runs.FIRST_AND_LAST),
    Invariant("I6", runs.AFTER_THE_END),
    Invariant("P6", runs.LEFT_OVER),
    Invariant("I7", runs.COUNTERS_AMISS),
    Invariant("I8", work.TASKS_AMISS),
    Invariant("I8", work.TASKS_MISSING),
    Invariant("I9", runs.KEY_USED_TWICE),
    Invariant("I9", runs.NOT_WHOLE),
    Invariant("I9", runs.NO_RUN),
    Invariant("REF", runs.DANGLING),
)
