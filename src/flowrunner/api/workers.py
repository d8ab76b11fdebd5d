"""Workers: who holds leases, and how one of them keeps its own."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Response, status

from flowrunner.api.deps import Operator, Reading, Tasks
from flowrunner.core.errors import InvalidInputError, Problem
from flowrunner.wire.tasks import Registration, ReleaseReply, ReleaseRequest, Renewal, RenewRequest
from flowrunner.wire.workers import RegistrationReply, WorkerList

# The column's bound: process ids are smaller everywhere.
_LARGEST_PID = (1 << 31) - 1
_BAD_PID = Problem("bad-pid", f"a process id is between 0 and {_LARGEST_PID}", pointer="/pid")

router = APIRouter(prefix="/api/v1/workers", tags=["workers"])


@router.get("", operation_id="list_workers")
async def list_workers(reading: Reading) -> WorkerList:
    """List every process that holds leases, and those that died in the last day."""
    return await reading.list_workers()


@router.post("", operation_id="register_worker", status_code=status.HTTP_201_CREATED)
async def register_worker(
    body: Registration, tasks: Tasks, operator: Operator
) -> RegistrationReply:
    """Make a worker known, so that it may claim. May be repeated."""
    if not 0 <= body.pid <= _LARGEST_PID:
        raise InvalidInputError("the worker cannot be made known", [_BAD_PID])
    await tasks.register(body, operator.lease_seconds)
    return RegistrationReply(
        worker_id=body.worker_id,
        lease_seconds=operator.lease_seconds,
        renew_seconds=operator.renew_seconds,
    )


@router.post("/{worker_id}/renew", operation_id="renew_worker")
async def renew_worker(worker_id: UUID, body: RenewRequest, tasks: Tasks) -> Renewal:
    """Prolong every lease the worker holds; learn which are lost."""
    return await tasks.renew(worker_id, body)


@router.post("/{worker_id}/release", operation_id="release_leases")
async def release_leases(worker_id: UUID, body: ReleaseRequest, tasks: Tasks) -> ReleaseReply:
    """Hand leases back unfinished: offered again at once, and not counted as a crash."""
    return ReleaseReply(released=await tasks.release(worker_id, body))


@router.delete(
    "/{worker_id}", operation_id="deregister_worker", status_code=status.HTTP_204_NO_CONTENT
)
async def deregister_worker(worker_id: UUID, tasks: Tasks) -> Response:
    """Hand back what is held and forget the worker. May be repeated."""
    await tasks.deregister(worker_id)
    return Response(status_code=status.HTTP_204_NO_CONTENT)
