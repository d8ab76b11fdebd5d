"""The steps of a run: pages of them, one up close, its attempts, what it said and how."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Path, Query, Request, Response, status

from flowrunner.api.deps import AskedRun, AskedStep, Steps
from flowrunner.api.errors import BadRangeError
from flowrunner.api.etags import UNCHANGED, IfNoneMatch, matches, unchanged
from flowrunner.api.links import Cursor, link_next
from flowrunner.api.openapi import refusals
from flowrunner.service.steps import Asked
from flowrunner.wire.runs import StepList, StepStatus
from flowrunner.wire.steps import AttemptDetail, AttemptList, StepDetail, TranscriptPage

router = APIRouter(prefix="/api/v1/runs/{run_id}/steps", tags=["steps"])

_TEXT = "text/plain; charset=utf-8"
_RANGE = re.compile(r"bytes=(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))\Z")
_LARGEST = (1 << 31) - 1

AttemptNo = Annotated[int, Path(ge=1, le=_LARGEST)]
WhichAttempt = Annotated[int | None, Query(ge=1, le=_LARGEST, description="Default: the latest.")]


@router.get("", operation_id="list_steps", responses=refusals(404, 409))
async def list_steps(
    *,
    run_id: AskedRun,
    steps: Steps,
    request: Request,
    response: Response,
    status: Annotated[
        list[StepStatus] | None, Query(description="May be given several times.")
    ] = None,
    group: Annotated[
        str | None, Query(max_length=400, description="Only the children of this step.")
    ] = None,
    attempt: Annotated[
        Literal["latest", "all"], Query(description="all: with every attempt of each step.")
    ] = "latest",
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
    cursor: Cursor = None,
) -> StepList:
    """List steps in flow order, then children as they came; excluded ones say why."""
    asked = Asked(tuple(status or ()), group, attempts=attempt == "all")
    page = await steps.list_steps(run_id, asked, limit, cursor)
    link_next(request, response, page.next_cursor)
    return page


@router.get("/{key}", operation_id="get_step", responses=refusals(404, 409))
async def get_step(run_id: AskedRun, key: AskedStep, steps: Steps) -> StepDetail:
    """Look at one step: every attempt, and the beginning of its output."""
    return await steps.get_step(run_id, key)


@router.get("/{key}/attempts", operation_id="list_attempts", responses=refusals(404, 409))
async def list_attempts(run_id: AskedRun, key: AskedStep, steps: Steps) -> AttemptList:
    """List a step's attempts, those before a retry of the run as well."""
    return await steps.list_attempts(run_id, key)


@router.get("/{key}/attempts/{attempt}", operation_id="get_attempt", responses=refusals(404, 409))
async def get_attempt(
    run_id: AskedRun, key: AskedStep, attempt: AttemptNo, steps: Steps
) -> AttemptDetail:
    """Look at one attempt, with the prompt that was sent."""
    return await steps.get_attempt(run_id, key, attempt)


@router.get(
    "/{key}/output",
    operation_id="output",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
        206: {
            "description": "The part that was asked for.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        },
        **UNCHANGED,
        **refusals(404, 409, 416),
    },
)
async def output(
    *,
    run_id: AskedRun,
    key: AskedStep,
    steps: Steps,
    attempt: WhichAttempt = None,
    range: Annotated[str | None, Header(description="One range of bytes.")] = None,  # noqa: A002  # the header's name
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read what a step said, as text: all of it, or a range of its bytes."""
    found = await steps.output(run_id, key, attempt)
    tag = f'"{found.ref}"'
    headers = {"ETag": tag, "Accept-Ranges": "bytes"}
    if matches(if_none_match, tag):
        return unchanged(tag)
    size = len(found.body)
    part = chosen_range(range, size)
    if part is None:
        return Response(found.body, headers=headers, media_type=_TEXT)
    start, stop = part
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    code = status.HTTP_206_PARTIAL_CONTENT
    return Response(found.body[start:stop], code, headers, media_type=_TEXT)


@router.get("/{key}/transcript", operation_id="transcript", responses=refusals(404, 409))
async def transcript(
    *,
    run_id: AskedRun,
    key: AskedStep,
    steps: Steps,
    request: Request,
    response: Response,
    attempt: WhichAttempt = None,
    cursor: Annotated[int, Query(ge=0, le=_LARGEST)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
) -> TranscriptPage:
    """Read what an agent streamed, a page at a time, also while it works."""
    page = await steps.transcript(run_id, key, attempt, cursor, limit)
    link_next(request, response, None if page.ended else page.next_cursor)
    return page


def chosen_range(asked: str | None, size: int) -> tuple[int, int] | None:
    """Return the bytes from and up to, or None for all: what is no single range is not obeyed.

    Raises BadRangeError for one that begins after the end (RFC 9110).
    """
    match = _RANGE.match(asked.strip()) if asked is not None else None
    if match is None:
        return None
    if match[3] is not None:
        start, stop = max(0, size - int(match[3])), size
    else:
        start = int(match[1])
        stop = min(int(match[2]) + 1, size) if match[2] else size
        if match[2] and int(match[2]) < start:
            return None
    if start >= size:
        raise BadRangeError(size)
    return start, stop
