"""Statements on task_results: the inbox of dispatchers that report through SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from flowrunner.core.model import RunId
from flowrunner.db.pool import Conn


@dataclass(frozen=True, slots=True)
class InboxRow:
    """One report as it was left; *error* and *usage* are the text of whatever JSON was written.

    Text, for there is JSON that PostgreSQL keeps and Python refuses: too deep, or too many digits.
    """

    id: int
    run_id: RunId
    step_no: int
    attempt: int
    epoch: int
    outcome: str
    output: str | None
    error: str | None
    usage: str | None
    truncated_bytes: int = 0
    replaced_count: int = 0
    partial: str | None = None
    provider: str | None = None
    quota_until: datetime | None = None
    record: str | None = None


LIST_UNREAD = """
SELECT id, run_id, step_no, attempt, epoch, outcome, output, error::text, usage::text,
       truncated_bytes, replaced_count, partial, provider, quota_until, record::text
  FROM task_results
 WHERE verdict IS NULL AND id > %(after)s
 ORDER BY id
 LIMIT %(limit)s
"""


async def list_unread(conn: Conn, *, after: int = 0, limit: int = 200) -> list[InboxRow]:
    """The oldest reports that nobody has answered. Several replicas may read the same ones."""
    cur = await conn.execute(LIST_UNREAD, {"after": after, "limit": limit})
    return [InboxRow(row[0], RunId(row[1]), *row[2:]) for row in await cur.fetchall()]


DELETE_RESULTS = "DELETE FROM task_results WHERE id = ANY (%(ids)s)"


async def delete_results(conn: Conn, ids: Sequence[int]) -> None:
    """Forget reports that were applied, now or before."""
    await conn.execute(DELETE_RESULTS, {"ids": list(ids)})


MARK_RESULTS = (
    "UPDATE task_results SET verdict = %(verdict)s WHERE id = ANY (%(ids)s) AND verdict IS NULL"
)


async def mark_results(conn: Conn, ids: Sequence[int], verdict: str) -> None:
    """Keep refused reports, with why."""
    await conn.execute(MARK_RESULTS, {"ids": list(ids), "verdict": verdict})


KEEP_LATE = """
INSERT INTO task_results (run_id, step_no, attempt, epoch, outcome, output, error, usage,
                          truncated_bytes, replaced_count, partial, provider, quota_until,
                          record, verdict)
VALUES (%(run_id)s, %(step_no)s, %(attempt)s, %(epoch)s, %(outcome)s, %(output)s, %(error)s,
        %(usage)s, %(truncated_bytes)s, %(replaced_count)s, %(partial)s, %(provider)s,
        %(quota_until)s, %(record)s, 'stale')
"""


async def keep_late(conn: Conn, row: InboxRow) -> None:
    """Keep a late result of a run that has ended: its log is closed, the evidence is not lost."""
    args = {name: value for name, value in asdict(row).items() if name != "id"}
    await conn.execute(KEEP_LATE, args)
