"""Tasks over SQL, for a worker that has an address of the database but not the engine at hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection, Sequence

from flowrunner.db import transcripts
from flowrunner.db.listener import Ears, listen
from flowrunner.db.pool import Pool
from flowrunner.dispatch.ports import Receipt, Task
from flowrunner.leases.sql import reaching
from flowrunner.wire.tasks import Chunk, TaskReport

TASKS, LOSSES = "tasks_new", "leases_lost"

REPORT = """
SELECT report_v2(%(task)s, %(epoch)s, %(outcome)s, %(output)s, %(error)s::jsonb, %(usage)s::jsonb,
                 %(truncated_bytes)s, %(replaced_count)s, %(partial)s, %(provider)s,
                 %(quota_until)s::timestamptz, %(record)s::jsonb)
"""


class SqlTasks:
    """Results go to the durable inbox, which any replica of the service reads."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def report(self, task: Task, report: TaskReport) -> Receipt:
        args = {
            "task": task.task_id,
            "epoch": report.epoch,
            "outcome": report.outcome,
            "output": report.output,
            "error": None if report.error is None else report.error.model_dump_json(),
            "usage": report.usage.model_dump_json(),
            "truncated_bytes": report.truncated_bytes,
            "replaced_count": report.replaced_count,
            "partial": report.partial,
            "provider": report.provider,
            "quota_until": report.quota_until,
            "record": None if report.record is None else json.dumps(report.record),
        }
        with reaching():
            async with self._pool.connection() as conn:
                await conn.execute(REPORT, args)
        return "left"

    async def append(self, task: Task, chunks: Sequence[Chunk]) -> bool:
        rows = [transcripts.Chunk(chunk.seq, chunk.kind, chunk.text) for chunk in chunks]
        with reaching():
            async with self._pool.connection() as conn:
                return await transcripts.append(conn, task.task_id, task.epoch, rows)


class SqlHints:
    """LISTEN on a direct address; after each gap everything may be new."""

    def __init__(self, url: str, queues: Collection[str]) -> None:
        self._url = url
        self._queues = frozenset(queues)

    async def __call__(self, on_tasks: Callable[[], None], on_losses: Callable[[], None]) -> None:
        def heard(channel: str, payload: str) -> None:
            if channel == LOSSES:
                on_losses()
            elif not payload or self._queues & set(payload.split(",")):
                on_tasks()

        def gap() -> None:
            on_losses()
            on_tasks()

        await listen(self._url, Ears((TASKS, LOSSES), heard, gap), asyncio.Event())
