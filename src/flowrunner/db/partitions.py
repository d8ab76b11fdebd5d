"""Keep weekly partitions of events and transcripts ahead of time; else the default one serves."""

from __future__ import annotations

from flowrunner.db.pool import Conn

# A partition is made under the strongest lock: whoever reads the table in a long transaction is not
# waited for, because everybody who writes would wait behind us. There are weeks to try again.
ENSURE_PARTITIONS = """
SELECT ensure_partitions_v1(%(weeks)s) FROM set_config('lock_timeout', '500ms', true)
"""


async def ensure_partitions(conn: Conn, weeks: int = 4) -> int:
    """Make what is missing from this week on and return how many. May be repeated, also at once.

    Raises LockNotAvailable when somebody has been reading for longer than half a second.
    """
    row = await (await conn.execute(ENSURE_PARTITIONS, {"weeks": weeks})).fetchone()
    return int(row[0]) if row else 0
