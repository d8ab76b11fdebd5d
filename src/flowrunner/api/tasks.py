"""The task protocol for dispatchers on other machines: claim, report, stream."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from flowrunner.api.deps import Tasks
from flowrunner.api.openapi import refusals
from flowrunner.wire.tasks import (
    ClaimReply,
    ClaimRequest,
    ReportReply,
    TaskReport,
    TranscriptRequest,
)
from flowrunner.wire.workers import TranscriptReply

router = APIRouter(prefix="/api/v1/tasks", tags=["tasks"])

TaskId = Annotated[str, Path(max_length=64, description="<run>.<step>.<attempt>")]


@router.post("/claim", operation_id="claim_tasks")
async def claim_tasks(body: ClaimRequest, tasks: Tasks) -> ClaimReply:
    """Lease at most *count* tasks, oldest first. A worker that is not registered gets none."""
    return ClaimReply(tasks=await tasks.claim(body))


@router.post("/{task_id}/result", operation_id="report_task", responses=refusals(404))
async def report_task(task_id: TaskId, body: TaskReport, tasks: Tasks) -> ReportReply:
    """Report how an attempt ended. May be repeated; a stale report changes nothing."""
    return await tasks.report(task_id, body)


@router.post("/{task_id}/transcript", operation_id="append_transcript", responses=refusals(404))
async def append_transcript(
    task_id: TaskId, body: TranscriptRequest, tasks: Tasks
) -> TranscriptReply:
    """Add what an agent streamed. May be repeated: a chunk is kept once."""
    return TranscriptReply(kept=await tasks.append(task_id, body))
