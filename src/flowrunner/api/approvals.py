"""What people are asked, and their decisions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from flowrunner.api.deps import Actor, Approvals, Runs
from flowrunner.api.links import Cursor, link_next
from flowrunner.api.openapi import refusals
from flowrunner.wire.approvals import (
    Approval,
    ApprovalPage,
    ApprovalStatus,
    DecisionBody,
    DecisionReply,
)

router = APIRouter(prefix="/api/v1/approvals", tags=["approvals"])

ApprovalId = Annotated[str, Path(max_length=64, description="<run>.<step>.<round>")]


@router.get("", operation_id="list_approvals", responses=refusals(404, 409))
async def list_approvals(
    *,
    approvals: Approvals,
    runs: Runs,
    request: Request,
    response: Response,
    status: Annotated[
        list[ApprovalStatus] | None, Query(description="May be given several times; none: all.")
    ] = None,
    run: Annotated[str | None, Query(max_length=64, description="Only those of this run.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Cursor = None,
) -> ApprovalPage:
    """List what people are or were asked, oldest first."""
    run_id = None if run is None else await runs.resolve(run)
    page = await approvals.list_approvals(tuple(status or ()), run_id, limit, cursor)
    link_next(request, response, page.next_cursor)
    return page


@router.get("/{approval_id}", operation_id="get_approval", responses=refusals(404))
async def get_approval(approval_id: ApprovalId, approvals: Approvals) -> Approval:
    """Look at one question, and at its answer once there is one."""
    return await approvals.get(approval_id)


@router.post("/{approval_id}", operation_id="decide_approval", responses=refusals(404, 409, 410))
async def decide_approval(
    approval_id: ApprovalId, body: DecisionBody, approvals: Approvals, actor: Actor
) -> DecisionReply:
    """Decide. The first decision stands; the same one by the same actor may be repeated."""
    return await approvals.decide(approval_id, body, actor)
