"""What a client has already need not be sent again (RFC 9110)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, TypeAlias

from fastapi import Header, Response

IfNoneMatch: TypeAlias = Annotated[str | None, Header(description="ETags that the caller has.")]
UNCHANGED = {304: {"description": "Unchanged since the given ETag."}}


def matches(given: str | None, tag: str) -> bool:
    """Compare weakly, as If-None-Match does."""
    if given is None:
        return False
    tags = [each.strip().removeprefix("W/") for each in given.split(",")]
    return "*" in tags or tag.removeprefix("W/") in tags


def unchanged(tag: str, headers: Mapping[str, str] | None = None) -> Response:
    return Response(status_code=304, headers={**(headers or {}), "ETag": tag})
