"""Places in lists: opaque to callers, exact whatever was added meanwhile (keyset paging)."""

from __future__ import annotations

import base64
import json
from typing import Any, cast

from flowrunner.core.errors import FlowRunnerError


class BadCursorError(FlowRunnerError):
    code = "bad-cursor"


def write(*place: str | int) -> str:
    """Make a cursor of the last row's key."""
    text = json.dumps(place, separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read(cursor: str, *kinds: type) -> tuple[Any, ...]:
    """Return what `write` was given, if it was of these *kinds*. Raises BadCursorError."""
    try:
        found: Any = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii") + b"=="))
    except (ValueError, RecursionError):
        raise bad() from None
    if not isinstance(found, list):
        raise bad()
    place = cast("list[Any]", found)
    if len(place) != len(kinds) or any(type(v) is not k for v, k in zip(place, kinds, strict=True)):
        raise bad()
    return tuple(place)


def bad() -> BadCursorError:
    hint = "take next_cursor from the page before, or leave the cursor out"
    return BadCursorError("the cursor is not one of ours", hint=hint)
