"""The task protocol for dispatchers that are not this process: claim, renew, report."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from flowrunner.core.decision import Verdict
from flowrunner.core.errors import InvalidInputError, NotFoundError, Problem, UnavailableError
from flowrunner.core.graph import CODE_QUEUE
from flowrunner.core.model import RunId
from flowrunner.db import queue, results, transcripts, workers
from flowrunner.db.pool import AWAY, Pool
from flowrunner.engine.residents import Residents
from flowrunner.wire import tasks as wire

_TASK_ID = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.(\d{1,9})\.(\d{1,9})\Z")


@dataclass(frozen=True, slots=True)
class TaskId:
    run_id: RunId
    step_no: int
    attempt: int


def parse_task_id(text: str) -> TaskId:
    """Raises NotFoundError: what cannot be an id names nothing."""
    match = _TASK_ID.match(text)
    if match is None:
        raise NotFoundError("there is no such task", task_id=text[:100])
    return TaskId(RunId(UUID(match[1])), int(match[2]), int(match[3]))


class TaskService:
    """What REST offers to workers on other machines; the SQL functions do the same."""

    def __init__(self, pool: Pool, residents: Residents) -> None:
        self._pool = pool
        self._residents = residents

    async def register(self, who: wire.Registration, lease_seconds: float) -> None:
        """Make a worker known. May be repeated."""
        _refuse_code(who.queues)
        row = workers.WorkerRow(
            who.worker_id, who.name, who.host, who.pid, who.queues, who.slots, who.version
        )
        async with self._pool.connection() as conn:
            await workers.register(conn, row, lease_seconds)

    async def claim(self, request: wire.ClaimRequest) -> tuple[wire.ClaimedTask, ...]:
        """Lease tasks. Not to be repeated blindly: release what an unanswered claim may hold."""
        _refuse_code(request.queues)
        async with self._pool.connection() as conn:
            claimed = await queue.claim(conn, request.worker_id, request.queues, request.count)
        return tuple(_to_wire(task) for task in claimed)

    async def renew(self, worker_id: UUID, request: wire.RenewRequest) -> wire.Renewal:
        async with self._pool.connection() as conn:
            renewal = await workers.renew(conn, worker_id, request.lease_seconds, request.held)
        return wire.Renewal(known=renewal.known, lost=renewal.lost, paused=dict(renewal.paused))

    async def release(self, worker_id: UUID, request: wire.ReleaseRequest) -> int:
        """Hand leases back. May be repeated."""
        async with self._pool.connection() as conn:
            if request.epochs is not None:
                return await queue.release(conn, worker_id, request.epochs)
            return await queue.release_unknown(conn, worker_id, request.keep or ())

    async def deregister(self, worker_id: UUID) -> None:
        async with self._pool.connection() as conn:
            await workers.deregister(conn, worker_id)

    async def report(self, task_id: str, report: wire.TaskReport) -> wire.ReportReply:
        """Apply a result once, however often it is sent (P1); a stale one is kept and refused."""
        task = parse_task_id(task_id)
        verdict = await self._residents.report(task.run_id, task.step_no, task.attempt, report)
        if verdict is Verdict.LATE:
            await self._keep_late(task, report)
            return wire.ReportReply(verdict="stale")
        return wire.ReportReply(verdict="accepted")

    async def append(self, task_id: str, request: wire.TranscriptRequest) -> bool:
        """Add to a transcript while the lease lives; a repeated chunk is kept once."""
        parse_task_id(task_id)
        chunks = [transcripts.Chunk(c.seq, c.kind, c.text) for c in request.chunks]
        async with self._pool.connection() as conn:
            return await transcripts.append(conn, task_id, request.epoch, chunks)

    async def _keep_late(self, task: TaskId, report: wire.TaskReport) -> None:
        row = results.InboxRow(
            0,
            task.run_id,
            task.step_no,
            task.attempt,
            report.epoch,
            report.outcome,
            report.output,
            None if report.error is None else report.error.model_dump_json(),
            report.usage.model_dump_json(),
            report.truncated_bytes,
            report.replaced_count,
            report.partial,
            report.provider,
            report.quota_until,
            None if report.record is None else json.dumps(report.record),
        )
        try:
            async with self._pool.connection() as conn:
                await results.keep_late(conn, row)
        except AWAY as error:
            raise UnavailableError(str(error).strip()) from error


def _refuse_code(queues: Collection[str]) -> None:
    if CODE_QUEUE in queues:
        message = "code steps run where their flow is loaded: in the service"
        problem = Problem("reserved-queue", message, pointer="/queues")
        raise InvalidInputError("the request cannot be accepted", [problem])


def _to_wire(task: queue.ClaimedTask) -> wire.ClaimedTask:
    return wire.ClaimedTask(
        task_id=task.task_id,
        run_id=task.run_id,
        step_no=task.step_no,
        attempt=task.attempt,
        epoch=task.epoch,
        queue=task.queue,
        step_key=task.step_key,
        kind="agent",
        project_root=task.project_root,
        agent=task.agent,
        model=task.model,
        persona=task.persona,
        mode_id=task.mode_id,
        limits=task.limits,
        input=task.input,
    )
