"""Launch runs, list them, look at one, cancel it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response, status
from fastapi.exceptions import RequestValidationError
from pydantic import AwareDatetime

from flowrunner import __version__
from flowrunner.api.deps import AskedRun, Principal, Reading, Runs
from flowrunner.api.openapi import refusals
from flowrunner.db.pages import RunFilter
from flowrunner.service.runs import LaunchRequest
from flowrunner.service.views import older, since
from flowrunner.wire.runs import (
    CancelBody,
    CancelReply,
    LaunchBody,
    LaunchReply,
    Run,
    RunCounts,
    RunPage,
    RunStatus,
    StepList,
)

router = APIRouter(prefix="/api/v1", tags=["runs"])

_CLIENT = re.compile(r"flowrunner-(cli|client)/")
_KEY = r"^[\x21-\x7e]{1,255}$"

FlowName = Annotated[str, Query(max_length=64)]
Statuses = Annotated[list[RunStatus] | None, Query(description="May be given several times.")]
Labels = Annotated[
    list[str] | None, Query(description="As name:value; may be given several times.")
]
Since = Annotated[AwareDatetime | None, Query(description="Launched at this time or later.")]


@router.post(
    "/flows/{name}/runs",
    operation_id="launch",
    status_code=status.HTTP_201_CREATED,
    responses={
        200: {
            "model": LaunchReply,
            "description": "This Idempotency-Key was used before: the run of that time.",
        },
        **refusals(404, 409),
    },
)
async def launch(
    *,
    name: str,
    body: LaunchBody,
    runs: Runs,
    principal: Principal,
    request: Request,
    response: Response,
    idempotency_key: Annotated[str | None, Header(pattern=_KEY)] = None,
) -> LaunchReply:
    """Start a run. It is stored whole before this answers, or not at all."""
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
            launched_by=principal,
            trigger=_trigger(request),
            idempotency_key=idempotency_key,
        ),
    )
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


@router.get("/runs", operation_id="list_runs")
async def list_runs(
    *,
    reading: Reading,
    flow: FlowName | None = None,
    status: Statuses = None,
    label: Labels = None,
    since: Since = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=64)] = None,
) -> RunPage:
    """List runs, newest first, without their payloads."""
    only = _filter(flow, status, label, since)
    return await reading.list_runs(older(only, cursor) if cursor else only, limit)


@router.get("/runs/counts", operation_id="count_runs")
async def count_runs(
    *,
    reading: Reading,
    flow: FlowName | None = None,
    status: Statuses = None,
    label: Labels = None,
    since: Since = None,
) -> RunCounts:
    """Count runs by status, with the same filters as the list."""
    return await reading.count_runs(_filter(flow, status, label, since))


@router.get(
    "/runs/{run_id}",
    operation_id="get_run",
    responses={304: {"description": "Unchanged since the given ETag."}, **refusals(404, 409)},
)
async def get_run(
    run_id: AskedRun,
    reading: Reading,
    response: Response,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Run:
    """Look at one run. Its ETag changes with every event."""
    run = await reading.get_run(run_id)
    tag = f'W/"{run.id}-{run.version}-{__version__}"'
    if matches(if_none_match, tag):
        return Response(status_code=304, headers={"ETag": tag})  # pyright: ignore[reportReturnType]  # FastAPI sends a Response as it is
    response.headers["ETag"] = tag
    return run


@router.get("/runs/{run_id}/steps", operation_id="list_steps", responses=refusals(404, 409))
async def list_steps(run_id: AskedRun, reading: Reading) -> StepList:
    """List every step of the run in flow order; excluded ones say why."""
    return await reading.list_steps(run_id)


@router.post("/runs/{run_id}/cancel", operation_id="cancel_run", responses=refusals(404, 409))
async def cancel_run(
    run_id: AskedRun, runs: Runs, principal: Principal, body: CancelBody | None = None
) -> CancelReply:
    """Stop a run for good: its agents are stopped at once. May be repeated."""
    reason = body.reason if body is not None else ""
    done = await runs.cancel(run_id, reason or "cancelled by request", principal)
    return CancelReply(id=done.run_id, status=done.status.value, was_live=done.was_live)


def matches(given: str | None, tag: str) -> bool:
    """Compare weakly, as If-None-Match does (RFC 9110)."""
    if given is None:
        return False
    tags = [each.strip().removeprefix("W/") for each in given.split(",")]
    return "*" in tags or tag.removeprefix("W/") in tags


def _filter(
    flow: str | None,
    statuses: Sequence[str] | None,
    labels: Sequence[str] | None,
    at: AwareDatetime | None,
) -> RunFilter:
    only = RunFilter(flow=flow, statuses=tuple(statuses or ()), labels=_labels(labels or ()))
    return since(only, at) if at is not None else only


def _labels(given: Sequence[str]) -> dict[str, str]:
    bad = [text for text in given if ":" not in text]
    if bad:
        told = [
            {"type": "bad_label", "loc": ("query", "label"), "msg": _wrong(text)} for text in bad
        ]
        raise RequestValidationError(told)
    pairs = [text.partition(":") for text in given]
    return {name: value for name, _, value in pairs}


def _wrong(label: str) -> str:
    return f"'{label}' is not name:value"


def _trigger(request: Request) -> str:
    match = _CLIENT.match(request.headers.get("user-agent", ""))
    return match[1] if match else "api"
