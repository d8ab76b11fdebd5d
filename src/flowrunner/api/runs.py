"""Launch runs, list them, look at one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response, status
from fastapi.exceptions import RequestValidationError
from pydantic import AwareDatetime

from flowrunner import __version__
from flowrunner.api.deps import Actor, AskedRun, Reading, Runs
from flowrunner.api.etags import UNCHANGED, IfNoneMatch, matches, unchanged
from flowrunner.api.links import Cursor, link_next
from flowrunner.api.openapi import refusals
from flowrunner.api.preferring import Prefer, granted, wait_for_end, wished
from flowrunner.db.pages import RunFilter
from flowrunner.service.runs import LaunchRequest
from flowrunner.service.views import older, since
from flowrunner.wire.runs import (
    LaunchBody,
    LaunchReply,
    Run,
    RunCounts,
    RunPage,
    RunStatus,
)

router = APIRouter(prefix="/api/v1", tags=["runs"])

_CLIENT = re.compile(r"flowrunner-(cli|client)/")
_KEY = r"^[\x21-\x7e]{1,255}$"

FlowName = Annotated[str, Query(max_length=64)]
Statuses = Annotated[list[RunStatus] | None, Query(description="May be given several times.")]
Labels = Annotated[
    list[str] | None, Query(description="As name:value; may be given several times.")
]
Waiting = Annotated[bool, Query(description="Only those that ask somebody something.")]
Since = Annotated[AwareDatetime | None, Query(description="Launched at this time or later.")]


@router.post(
    "/flows/{name}/runs",
    operation_id="launch",
    status_code=status.HTTP_201_CREATED,
    responses={
        200: {
            "model": LaunchReply,
            "description": "This Idempotency-Key was used before: the run of that time."
            " Or waiting was preferred, and the run has ended.",
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
    idempotency_key: Annotated[str | None, Header(pattern=_KEY)] = None,
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
    url = f"/api/v1/runs/{launched.run_id}"
    response.headers["Location"] = url
    if launched.replayed:
        response.status_code = status.HTTP_200_OK
        response.headers["Idempotency-Replayed"] = "true"
    seconds = wished(prefer)
    now = launched.status
    if seconds is not None and await wait_for_end(request, launched.run_id, seconds):
        granted(response, seconds)
        now = (await runs.head(launched.run_id)).status
        is_done = now.is_terminal
        response.status_code = status.HTTP_200_OK if is_done else status.HTTP_202_ACCEPTED
    return LaunchReply(
        id=launched.run_id,
        status=now.value,
        url=url,
        events_url=f"{url}/events",
        replayed=launched.replayed,
    )


@router.get("/runs", operation_id="list_runs")
async def list_runs(
    *,
    reading: Reading,
    request: Request,
    response: Response,
    flow: FlowName | None = None,
    status: Statuses = None,
    label: Labels = None,
    since: Since = None,
    waiting: Waiting = False,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Cursor = None,
) -> RunPage:
    """List runs, newest first, without their payloads."""
    only = _filter(flow, status, label, since, waiting=waiting)
    page = await reading.list_runs(older(only, cursor) if cursor is not None else only, limit)
    link_next(request, response, page.next_cursor)
    return page


@router.get("/runs/counts", operation_id="count_runs")
async def count_runs(
    *,
    reading: Reading,
    flow: FlowName | None = None,
    status: Statuses = None,
    label: Labels = None,
    since: Since = None,
    waiting: Waiting = False,
) -> RunCounts:
    """Count runs by status, with the same filters as the list."""
    return await reading.count_runs(_filter(flow, status, label, since, waiting=waiting))


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


def _filter(
    flow: str | None,
    statuses: Sequence[str] | None,
    labels: Sequence[str] | None,
    at: AwareDatetime | None,
    *,
    waiting: bool,
) -> RunFilter:
    known = _labels(labels or ())
    only = RunFilter(flow=flow, statuses=tuple(statuses or ()), labels=known, waiting=waiting)
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
