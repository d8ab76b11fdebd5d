"""Where a list goes on, for clients that follow headers (RFC 8288)."""

from __future__ import annotations

from typing import Annotated, TypeAlias
from urllib.parse import quote, urlencode

from fastapi import Query, Request, Response

Cursor: TypeAlias = Annotated[str | None, Query(description="next_cursor of the page before.")]


def link_next(request: Request, response: Response, cursor: str | int | None) -> None:
    """Say where the next page is, with the same filters as this one."""
    if cursor is None:
        return
    told = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    query = urlencode([*told, ("cursor", str(cursor))])
    # A step's key may hold any character, a header may not.
    response.headers["Link"] = f'<{quote(request.url.path)}?{query}>; rel="next"'
