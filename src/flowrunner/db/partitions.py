"""Keep weekly partitions of events and transcripts ahead of time; else the default one serves."""

from __future__ import annotations

from flowrunner.db.pool import Conn

ENSURE_PARTITIONS = "SELECT ensure_partitions_v1(%(weeks)s)"


async def ensure_partitions(conn: Conn, weeks: int = 4) -> int:
    """Make what is missing from this week on and return how many. May be repeated, also at once."""
    row = await (await conn.execute(ENSURE_PARTITIONS, {"weeks": weeks})).fetchone()
    return int(row[0]) if row else 0
