"""Events: a run's, a page at a time or as a stream, and those of all runs as they come."""

from __future__ import annotations

import re
from typing import Annotated, TypeAlias

from fastapi import APIRouter, Header, Query, Request, Response, status
from fastapi.responses import StreamingResponse
from pydantic import StringConstraints

from flowrunner.api.deps import AskedRun, Parts, Reading
from flowrunner.api.errors import BadEventIdError, NotAcceptableError, TooManyStreamsError
from flowrunner.api.openapi import refusals
from flowrunner.api.streams import Streams
from flowrunner.core.model import RunId
from flowrunner.service.sifting import Sieve
from flowrunner.wire.events import EventPage

router = APIRouter(prefix="/api/v1", tags=["events"])

_STREAM = "text/event-stream"
EventType: TypeAlias = Annotated[
    str, StringConstraints(pattern=r"^[a-z_]+\.(?:[a-z_]+|\*)$", max_length=64)
]

_REFUSED = re.compile(r"q=0(?:\.0{0,3})?\Z")
_PLACE = re.compile(r"[0-9]{1,18}\Z")
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@router.get(
    "/runs/{run_id}/events",
    operation_id="events",
    responses={
        200: {"content": {_STREAM: {"schema": {"type": "string"}}}},
        204: {"description": "A stream was asked for, and nothing will ever follow."},
        **refusals(404, 409),
    },
)
async def events(
    *,
    run_id: AskedRun,
    reading: Reading,
    request: Request,
    after: Annotated[str, Query(description="The sequence number to continue after.")] = "0",
    limit: Annotated[int, Query(ge=1, le=1000)] = 500,
    types: Annotated[
        list[EventType] | None, Query(description="Only these, or `step.*`; several times.")
    ] = None,
    step: Annotated[str | None, Query(max_length=400, description="Only of this step.")] = None,
    accept: Annotated[str, Header()] = "application/json",
    last_event_id: Annotated[str | None, Header()] = None,
) -> EventPage:
    """Read a page of events; with Accept: text/event-stream, follow them until the run's end."""
    sieve = Sieve(tuple(types or ()), step)
    if not is_stream(accept):
        return await reading.list_events(run_id, _place(after), limit, sieve)
    place = _place(last_event_id if last_event_id is not None else after)
    return await _stream(request, run_id, place, sieve)  # pyright: ignore[reportReturnType]  # FastAPI sends a Response as it is


@router.get(
    "/events",
    operation_id="all_events",
    response_class=StreamingResponse,
    responses={200: {"content": {_STREAM: {"schema": {"type": "string"}}}}, **refusals(406)},
)
async def all_events(
    request: Request, reading: Reading, accept: Annotated[str, Header()] = "*/*"
) -> Response:
    """Follow every run from now on: `run.*` and `approval.*`. It has no end, and no cursor.

    Who was cut off looks at the lists again: what came meanwhile is not told twice.
    """
    parts: Parts = request.app.state.parts
    streams: Streams = request.app.state.streams
    if not (is_stream(accept) or "*/*" in accept):
        raise NotAcceptableError("this is a stream", hint=f"Accept: {_STREAM}")
    if streams.is_full:
        raise TooManyStreamsError("come back later")
    await reading.ping()
    frames = streams.loose(reading.shown(parts.feed.follow_all()))
    return StreamingResponse(frames, headers=_HEADERS, media_type=_STREAM)


def is_stream(accept: str) -> bool:
    """Whether the Accept header names event streams, and does not forbid them."""
    ranges = [part.replace(" ", "").lower().split(";") for part in accept.split(",")]
    return any(
        name == _STREAM and not any(map(_REFUSED.match, parameters)) for name, *parameters in ranges
    )


async def _stream(request: Request, run_id: RunId, after: int, sieve: Sieve) -> Response:
    parts: Parts = request.app.state.parts
    reading = parts.views
    streams: Streams = request.app.state.streams
    head = await reading.head(run_id)
    if after > head.version:
        raise BadEventIdError(f"the run's last event is {head.version}, not {after}")
    if head.status.is_terminal and after == head.version:
        return Response(status_code=status.HTTP_204_NO_CONTENT)
    if streams.is_full:
        raise TooManyStreamsError("poll ?after= instead, or come back later")
    roster = await reading.roster(run_id)
    frames = streams.frames(parts.feed.follow(run_id, after), roster, head.status.value, sieve)
    return StreamingResponse(frames, headers=_HEADERS, media_type=_STREAM)


def _place(text: str) -> int:
    if not _PLACE.match(text):
        raise BadEventIdError("an event's id is its sequence number", hint="begin with 0")
    return int(text)
