"""Launch runs, list them, look at one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, TypeAlias

from fastapi import APIRouter, Header, Query, Request, Response, status

from flowrunner import __version__
from flowrunner.api.choosing import AskedRuns
from flowrunner.api.deps import Actor, AskedRun, Parts, Reading, Runs
from flowrunner.api.etags import UNCHANGED, IfNoneMatch, matches, unchanged
from flowrunner.api.links import Cursor, link_next
from flowrunner.api.openapi import refusals
from flowrunner.api.preferring import Prefer, granted, wait_for_end, wished
from flowrunner.service.rerunning import Again, rerun
from flowrunner.service.runs import Launched, LaunchRequest
from flowrunner.service.views import older
from flowrunner.wire.runs import (
    LaunchBody,
    LaunchReply,
    RerunBody,
    Run,
    RunCounts,
    RunPage,
)

router = APIRouter(prefix="/api/v1", tags=["runs"])

_CLIENT = re.compile(r"flowrunner-(cli|client)/")
_KEY = r"^[\x21-\x7e]{1,255}$"
_REPLAYED = "This Idempotency-Key was used before: the run of that time."

IdempotencyKey: TypeAlias = Annotated[str | None, Header(pattern=_KEY)]


@router.post(
    "/flows/{name}/runs",
    operation_id="launch",
    status_code=status.HTTP_201_CREATED,
    responses={
        200: {
            "model": LaunchReply,
            "description": f"{_REPLAYED} Or waiting was preferred, and the run has ended.",
        },
        202: {
            "model": LaunchReply,
            "description": "Waiting was preferred, and the run has not ended yet.",
        },
        **refusals(404, 409),
    },
)
async def launch(
    *,
    name: str,
    body: LaunchBody,
    runs: Runs,
    actor: Actor,
    request: Request,
    response: Response,
    prefer: Prefer = None,
    idempotency_key: IdempotencyKey = None,
) -> LaunchReply:
    """Start a run. It is stored whole before this answers, or not at all.

    With `Prefer: wait=N` the answer comes when it has ended (200), or after N seconds (202).
    """
    launched = await runs.launch(
        name,
        LaunchRequest(
            input=body.input,
            band=body.band,
            project_root=Path(body.project) if body.project else None,
            model=body.model,
            agent=body.agent,
            title=body.title,
            labels=body.labels,
            launched_by=actor,
            trigger=_trigger(request),
            idempotency_key=idempotency_key,
        ),
    )
    reply = _launched(launched, response)
    seconds = wished(prefer)
    if seconds is None or not await wait_for_end(request, launched.run_id, seconds):
        return reply
    granted(response, seconds)
    now = (await runs.head(launched.run_id)).status
    is_done = now.is_terminal
    response.status_code = status.HTTP_200_OK if is_done else status.HTTP_202_ACCEPTED
    return reply.model_copy(update={"status": now.value})


@router.post(
    "/runs/{run_id}/rerun",
    operation_id="rerun",
    status_code=status.HTTP_201_CREATED,
    responses={
        200: {"model": LaunchReply, "description": _REPLAYED},
        **refusals(404, 409),
    },
)
async def rerun_run(
    *,
    run_id: AskedRun,
    runs: Runs,
    actor: Actor,
    request: Request,
    response: Response,
    body: RerunBody | None = None,
    idempotency_key: IdempotencyKey = None,
) -> LaunchReply:
    """Launch again as this run was launched: a new run, labelled `rerun_of` with this one's id."""
    parts: Parts = request.app.state.parts
    asked = body or RerunBody()
    again = Again(
        asked.input_patch, asked.latest, asked.title, actor, _trigger(request), idempotency_key
    )
    launched = await rerun(parts.pool, parts.flows, runs, run_id, again)
    return _launched(launched, response)


@router.get("/runs", operation_id="list_runs")
async def list_runs(
    *,
    reading: Reading,
    request: Request,
    response: Response,
    only: AskedRuns,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Cursor = None,
) -> RunPage:
    """List runs, newest first, without their payloads."""
    page = await reading.list_runs(older(only, cursor) if cursor is not None else only, limit)
    link_next(request, response, page.next_cursor)
    return page


@router.get("/runs/counts", operation_id="count_runs")
async def count_runs(*, reading: Reading, only: AskedRuns) -> RunCounts:
    """Count runs by status, with the same filters as the list."""
    return await reading.count_runs(only)


@router.get(
    "/runs/{run_id}",
    operation_id="get_run",
    responses={**UNCHANGED, **refusals(404, 409)},
)
async def get_run(
    *,
    run_id: AskedRun,
    reading: Reading,
    request: Request,
    response: Response,
    if_none_match: IfNoneMatch = None,
    prefer: Prefer = None,
) -> Run:
    """Look at one run. Its ETag changes with every event.

    With `Prefer: wait=N` the answer comes when it has ended, or after N seconds.
    """
    seconds = wished(prefer)
    if seconds is not None and await wait_for_end(request, run_id, seconds):
        granted(response, seconds)
    run = await reading.get_run(run_id)
    tag = f'W/"{run.id}-{run.version}-{__version__}"'
    if matches(if_none_match, tag):
        return unchanged(tag)  # pyright: ignore[reportReturnType]  # FastAPI sends a Response as it is
    response.headers["ETag"] = tag
    return run


def _launched(launched: Launched, response: Response) -> LaunchReply:
    """Say where the run is, in the headers as well."""
    url = f"/api/v1/runs/{launched.run_id}"
    response.headers["Location"] = url
    if launched.replayed:
        response.status_code = status.HTTP_200_OK
        response.headers["Idempotency-Replayed"] = "true"
    return LaunchReply(
        id=launched.run_id,
        status=launched.status.value,
        url=url,
        events_url=f"{url}/events",
        replayed=launched.replayed,
    )


def _trigger(request: Request) -> str:
    match = _CLIENT.match(request.headers.get("user-agent", ""))
    return match[1] if match else "api"
