"""The outermost frame of a request: its id, its log line, and what happens if all else fails."""

from __future__ import annotations

import re
import secrets
import time

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flowrunner.api.errors import problem

log = structlog.stdlib.get_logger()

HEADER = "X-Request-Id"
_OURS = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_QUIET = "/healthz/"


class Boundary:
    """Names each request, in its answer and in every log line, and lets no exception out."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope["request_id"] = request_id
        began = time.monotonic()
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[HEADER] = request_id
                headers["X-Content-Type-Options"] = "nosniff"
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, answer)
            except Exception:
                log.exception("request.failed", method=scope["method"], path=scope["path"])
                if status:
                    # Part of the answer is out: only a broken connection can say that it is wrong.
                    raise
                told = "the log of the service says more, under this request's id"
                refusal = problem("internal-error", 500, told, request_id=request_id)
                await refusal(scope, receive, answer)
            _tell(scope, status, time.monotonic() - began)


def _request_id(scope: Scope) -> str:
    """Take the caller's id if it is harmless: it then connects the logs of both."""
    given = [value for key, value in scope["headers"] if key == HEADER.lower().encode()]
    text = given[0].decode("latin-1") if len(given) == 1 else ""
    return text if _OURS.match(text) else secrets.token_hex(8)


def _tell(scope: Scope, status: int, seconds: float) -> None:
    tell = log.debug if scope["path"].startswith(_QUIET) else log.info
    tell(
        "request.served",
        method=scope["method"],
        path=scope["path"],
        status=status,
        seconds=round(seconds, 4),
    )
