"""`Prefer: wait=N` (RFC 7240): answer when the run has ended, or when N seconds are over."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated, TypeAlias

from fastapi import Header, Request, Response

from flowrunner.api.deps import Parts
from flowrunner.api.streams import Streams
from flowrunner.core.model import RunId

MOST_SECONDS = 60
_WAIT = re.compile(r"wait=(?P<quote>\"?)0*(?P<seconds>[0-9]+)(?P=quote)\Z")
_DIGITS = 6

Prefer: TypeAlias = Annotated[
    str | None,
    Header(description=f"`wait=N`: answer once the run has ended, {MOST_SECONDS} s at most."),
]


def wished(prefer: str | None) -> int | None:
    """Return how many seconds the caller likes to wait; what it wishes else is not for us."""
    wishes = (wish.replace(" ", "").lower() for wish in (prefer or "").split(","))
    found = [match for match in map(_WAIT.match, wishes) if match]
    if not found:
        return None
    digits = found[0]["seconds"]
    return MOST_SECONDS if len(digits) > _DIGITS else min(int(digits), MOST_SECONDS)


async def wait_for_end(request: Request, run_id: RunId, seconds: int) -> bool:
    """Return when the run has ended or time is over, or at once when too many wait already.

    Returns whether the wish was granted.
    """
    parts: Parts = request.app.state.parts
    streams: Streams = request.app.state.streams
    if streams.is_full:
        return False
    head = await parts.views.head(run_id)
    if head.status.is_terminal:
        return True
    try:
        async with asyncio.timeout(seconds):
            async for _row in streams.paced(parts.feed.follow(run_id, head.version)):
                pass
    except TimeoutError:
        pass
    return True


def granted(response: Response, seconds: int) -> None:
    response.headers["Preference-Applied"] = f"wait={seconds}"
