"""Read what dispatchers reported through SQL. Whatever they wrote, the inbox moves on (D2-03)."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict

import structlog
from pydantic import ValidationError

from flowrunner.core.decision import Verdict
from flowrunner.core.errors import NotFoundError
from flowrunner.db.pool import Pool
from flowrunner.db.results import InboxRow, delete_results, list_unread, mark_results
from flowrunner.engine.residents import Residents
from flowrunner.wire.tasks import TaskReport

log = structlog.stdlib.get_logger()

_PAGE = 200


class Inbox:
    """Delivers each unread row; applied ones are deleted, refused ones stay with their verdict."""

    def __init__(self, pool: Pool, residents: Residents) -> None:
        self._pool = pool
        self._residents = residents

    async def look(self) -> bool:
        """Read everything; whether there was anything."""
        after = 0
        while True:
            async with self._pool.connection() as conn:
                rows = await list_unread(conn, after=after, limit=_PAGE)
            if rows:
                await self._deliver_all(rows)
                after = rows[-1].id
            if len(rows) < _PAGE:
                return after > 0

    async def _deliver_all(self, rows: list[InboxRow]) -> None:
        verdicts = await asyncio.gather(*(self._deliver(row) for row in rows))
        by: defaultdict[str, list[int]] = defaultdict(list)
        for row, verdict in zip(rows, verdicts, strict=True):
            by[verdict].append(row.id)
        async with self._pool.connection() as conn:
            for verdict, ids in by.items():
                if verdict in (Verdict.ACCEPTED, Verdict.DUPLICATE):
                    await delete_results(conn, ids)
                elif verdict:
                    await mark_results(conn, ids, verdict)

    async def _deliver(self, row: InboxRow) -> str:
        """The row's verdict; empty when it has to be read again later."""
        try:
            verdict = await self._residents.report(
                row.run_id, row.step_no, row.attempt, report_of(row)
            )
        except NotFoundError:
            return "unknown_task"
        except Exception as error:  # noqa: BLE001  # one run's trouble is not the others' (R2-49)
            log.warning("inbox.later", id=row.id, error=repr(error))
            return ""
        return "stale" if verdict is Verdict.LATE else verdict


def report_of(row: InboxRow) -> TaskReport:
    """Read a row as a report. One that breaks the contract settles its task as failed.

    Leaving it unread would leave the step running for ever: the dispatcher has said its last word.
    """
    try:
        return TaskReport.model_validate_json(_text(row))
    except ValidationError as error:
        told = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'report'}: {e['msg']}"
            for e in error.errors(include_url=False, include_input=False, include_context=False)[:5]
        )
        broken = {"code": "bad_report", "message": f"the report breaks the contract: {told}"}
        return TaskReport.model_validate({"epoch": row.epoch, "outcome": "failed", "error": broken})


def _text(row: InboxRow) -> str:
    output = row.output if row.outcome == "completed" else None
    said = json.dumps({"epoch": row.epoch, "outcome": row.outcome, "output": output})
    usage = "{}" if row.usage in (None, "null") else row.usage
    until = None if row.quota_until is None else row.quota_until.isoformat()
    more = {"partial": row.partial, "provider": row.provider, "quota_until": until}
    return (
        f'{said[:-1]}, "error": {row.error or "null"}, "usage": {usage},'
        f' "truncated_bytes": {row.truncated_bytes}, "replaced_count": {row.replaced_count},'
        f' "record": {row.record or "null"}, {json.dumps(more)[1:]}'
    )
