"""Tasks and leases over REST, for a worker without a way to the database."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from http import HTTPStatus
from typing import TypeVar
from uuid import UUID

import httpx2
import structlog
from pydantic import BaseModel, ValidationError

from flowrunner.core.errors import InvalidInputError, UnavailableError
from flowrunner.dispatch.ports import Receipt, Task
from flowrunner.leases.ports import Profile, Renewal
from flowrunner.wire.tasks import (
    Chunk,
    ClaimedTask,
    ClaimReply,
    ClaimRequest,
    Registration,
    ReleaseReply,
    ReleaseRequest,
    RenewRequest,
    ReportReply,
    TaskReport,
    TranscriptRequest,
)
from flowrunner.wire.tasks import Renewal as RenewalReply
from flowrunner.wire.workers import TranscriptReply

log = structlog.stdlib.get_logger()

M = TypeVar("M", bound=BaseModel)

_WORKERS, _TASKS = "/api/v1/workers", "/api/v1/tasks"
_DETAIL_CHARACTERS = 500
_NEWER = ("partial", "provider", "quota_until", "record")
"""Fields of a report that a server of the release before refuses."""


class RestTasks:
    """Both of a worker's ports. *client* has the server's address, a token and its time-outs."""

    def __init__(self, client: httpx2.AsyncClient, profile: Profile) -> None:
        self._client = client
        self._profile = profile

    async def register(self, worker_id: UUID) -> None:
        me = self._profile
        body = Registration(
            worker_id=worker_id,
            name=me.name,
            host=me.host,
            pid=me.pid,
            queues=me.queues,
            slots=me.slots,
            version=me.version,
        )
        await self._post(_WORKERS, body)

    async def renew(self, worker_id: UUID, lease_seconds: float, held: Collection[int]) -> Renewal:
        body = RenewRequest(lease_seconds=lease_seconds, held=tuple(held))
        return _read(RenewalReply, await self._post(f"{_WORKERS}/{worker_id}/renew", body))

    async def claim(self, worker_id: UUID, count: int) -> Sequence[ClaimedTask]:
        body = ClaimRequest(worker_id=worker_id, queues=self._profile.queues, count=count)
        return _read(ClaimReply, await self._post(f"{_TASKS}/claim", body)).tasks

    async def release(self, worker_id: UUID, epochs: Collection[int]) -> int:
        return await self._release(worker_id, ReleaseRequest(epochs=tuple(epochs)))

    async def release_unknown(self, worker_id: UUID, keep: Collection[int]) -> int:
        return await self._release(worker_id, ReleaseRequest(keep=tuple(keep)))

    async def deregister(self, worker_id: UUID) -> None:
        await self._send("DELETE", f"{_WORKERS}/{worker_id}")

    async def report(self, task: Task, report: TaskReport) -> Receipt:
        path, accept = f"{_TASKS}/{task.task_id}/result", [HTTPStatus.NOT_FOUND]
        plain = report.model_copy(update=dict.fromkeys(_NEWER))
        refused = [] if plain == report else [HTTPStatus.UNPROCESSABLE_ENTITY]
        response = await self._post(path, report, [*accept, *refused])
        if response.status_code == HTTPStatus.UNPROCESSABLE_ENTITY:
            # A server of the release before knows none of them; the result must not be lost (P3).
            log.warning("result.shortened", task=task.task_id, left_out=_NEWER)
            response = await self._post(path, plain, accept)
        if response.status_code == HTTPStatus.NOT_FOUND:
            log.warning("result.unwanted", task=task.task_id)
        elif _read(ReportReply, response).verdict == "stale":
            log.warning("result.stale", task=task.task_id)
        return "settled"

    async def append(self, task: Task, chunks: Sequence[Chunk]) -> bool:
        body = TranscriptRequest(epoch=task.epoch, chunks=tuple(chunks))
        response = await self._post(
            f"{_TASKS}/{task.task_id}/transcript", body, accept=(HTTPStatus.NOT_FOUND,)
        )
        is_known = response.status_code != HTTPStatus.NOT_FOUND
        return is_known and _read(TranscriptReply, response).kept

    async def _release(self, worker_id: UUID, body: ReleaseRequest) -> int:
        return _read(
            ReleaseReply, await self._post(f"{_WORKERS}/{worker_id}/release", body)
        ).released

    async def _post(
        self, path: str, body: BaseModel, accept: Collection[int] = ()
    ) -> httpx2.Response:
        return await self._send("POST", path, body.model_dump_json(exclude_none=True), accept)

    async def _send(
        self, method: str, path: str, body: str | None = None, accept: Collection[int] = ()
    ) -> httpx2.Response:
        headers = {} if body is None else {"Content-Type": "application/json"}
        try:
            response = await self._client.request(method, path, content=body, headers=headers)
        except httpx2.HTTPError as exc:
            raise UnavailableError(f"{method} {path}: {exc or type(exc).__name__}") from exc
        if response.is_success or response.status_code in accept:
            return response
        raise _refusal(method, path, response)


# What asks for patience, or for an operator who corrects a token or an address.
_LATER = frozenset({401, 403, 404, 408, 421, 425, 429})


def _refusal(
    method: str, path: str, response: httpx2.Response
) -> UnavailableError | InvalidInputError:
    status = response.status_code
    message = f"{method} {path}: {status} {response.text[:_DETAIL_CHARACTERS]}"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _LATER or response.is_redirect:
        return UnavailableError(message)
    return InvalidInputError(message, [])


def _read(model: type[M], response: httpx2.Response) -> M:
    try:
        return model.model_validate_json(response.content)
    except ValidationError as exc:
        raise UnavailableError(f"{response.url} answers something else: {exc}") from exc
