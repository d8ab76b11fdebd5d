"""Places in lists: opaque to callers, exact whatever was added meanwhile (keyset paging)."""

from __future__ import annotations

import base64
import json
from typing import Any, cast

from flowrunner.core.errors import FlowRunnerError

_LONGEST = 200


class BadCursorError(FlowRunnerError):
    code = "bad-cursor"


def write(listing: str, *place: str | int) -> str:
    """Make a cursor of the last row's key; it is good for this *listing* only."""
    text = json.dumps((listing, *place), separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read(cursor: str, listing: str, *kinds: type) -> tuple[Any, ...]:
    """Return what `write` was given for *listing*, a value per kind. Raises BadCursorError."""
    if len(cursor) > _LONGEST:
        raise bad()
    try:
        found: Any = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii") + b"=="))
    except (ValueError, RecursionError):
        raise bad() from None
    if not isinstance(found, list) or cast("list[Any]", found)[:1] != [listing]:
        raise bad()
    place = cast("list[Any]", found)[1:]
    if len(place) != len(kinds) or any(type(v) is not k for v, k in zip(place, kinds, strict=True)):
        raise bad()
    return tuple(place)


def bad() -> BadCursorError:
    hint = "take next_cursor from the page before, or leave the cursor out"
    return BadCursorError("the cursor is not one of ours", hint=hint)
