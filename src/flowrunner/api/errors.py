"""Every refusal as problem+json: one table from an error's type to its status."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

import psycopg
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from psycopg_pool import PoolTimeout
from starlette.exceptions import HTTPException

from flowrunner.core.errors import (
    ConflictError,
    FlowRunnerError,
    InvalidFlowError,
    InvalidInputError,
    NotFoundError,
    Problem,
    UnavailableError,
)
from flowrunner.db.pool import AWAY
from flowrunner.db.room import told
from flowrunner.service.approvals import ExpiredError, NotApproverError
from flowrunner.service.cursors import BadCursorError
from flowrunner.service.runs import IdempotencyMismatchError
from flowrunner.wire.problems import MEDIA_TYPE, ProblemBody, ProblemEntry

log = structlog.stdlib.get_logger()


class BadEventIdError(FlowRunnerError):
    """Last-Event-ID or ?after= is no place in this run's log."""

    code = "bad-event-id"


class NotAcceptableError(FlowRunnerError):
    code = "not-acceptable"


class BadRangeError(FlowRunnerError):
    """The range begins after the end; *size* is how much there is."""

    code = "range-not-satisfiable"

    def __init__(self, size: int) -> None:
        super().__init__(f"there are only {size} bytes", size=size)
        self.headers = {"Content-Range": f"bytes */{size}"}


class TooManyStreamsError(FlowRunnerError):
    code = "too-many-streams"


STATUS: Mapping[type[FlowRunnerError], int] = {
    BadCursorError: 400,
    BadEventIdError: 400,
    NotApproverError: 403,
    NotFoundError: 404,
    NotAcceptableError: 406,
    ConflictError: 409,
    ExpiredError: 410,
    BadRangeError: 416,
    IdempotencyMismatchError: 422,
    InvalidInputError: 422,
    InvalidFlowError: 422,
    TooManyStreamsError: 503,
    UnavailableError: 503,
}
"""The nearest ancestor counts; what is not listed is our own fault: 500."""

TITLES: Mapping[str, str] = {
    "already-decided": "The approval was decided before",
    "ambiguous-id": "The id names several runs",
    "bad-cursor": "The cursor is not valid",
    "bad-event-id": "There is no such place in the run's log",
    "bad-host": "This server does not answer to that name",
    "bad-origin": "Requests from other sites are refused",
    "bad-request": "The request cannot be read",
    "conflict": "The state forbids the request",
    "definition-changed": "The run's flow is not the one it began with",
    "expired": "Nobody decided in time",
    "idempotency-mismatch": "The Idempotency-Key was used for another request",
    "internal-error": "Something went wrong here",
    "invalid-flow": "The flow cannot be used",
    "invalid-input": "The request cannot be accepted",
    "invalid-json": "The body is not JSON",
    "method-not-allowed": "The method is not allowed here",
    "no-report": "The run has no report",
    "not-acceptable": "None of the accepted formats can be had",
    "not-approver": "Others may decide this",
    "not-finished": "The run has not finished",
    "not-found": "There is no such thing",
    "not-retryable": "The run cannot be retried now",
    "not-understood": "A later version wrote this",
    "outcome-unknown": "It cannot be told whether this happened",
    "payload-too-large": "The body is too large",
    "range-not-satisfiable": "There is not that much",
    "stale-digest": "Something else is asked now",
    "too-many-streams": "Too many streams are open",
    "unauthorized": "A token is needed",
    "unavailable": "The service is not available now",
    "unsupported-media-type": "The body must be JSON",
}
"""Every code this door answers with; docs/reference/doors.md explains each."""

_OF_STATUS = {
    400: "bad-request",
    404: "not-found",
    405: "method-not-allowed",
    413: "payload-too-large",
    415: "unsupported-media-type",
    503: "unavailable",
}
_RETRY_SECONDS = "1"
# A file that cannot be read is no database that is away.
_AWAY = tuple(kind for kind in AWAY if kind is not OSError)
MOST_ENTRIES = 50


def problem(
    code: str,
    status: int,
    detail: str,
    *,
    entries: Sequence[ProblemEntry] = (),
    hint: str | None = None,
    context: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    request_id: str = "",
) -> Response:
    """Build one refusal. More than 50 entries are counted and not listed."""
    shown = tuple(entries[:MOST_ENTRIES])
    rest = len(entries) - len(shown)
    if rest > 0:
        shown = (*shown, ProblemEntry(code="more", message=f"and {rest} more problems"))
    body = ProblemBody(
        type=f"urn:flowrunner:problem:{code}",
        title=TITLES.get(code) or HTTPStatus(status).phrase,
        status=status,
        code=code,
        detail=detail,
        errors=shown,
        hint=hint,
        context=dict(context or {}),
        request_id=request_id,
    )
    given = dict(headers or {})
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        given.setdefault("Retry-After", _RETRY_SECONDS)
    # Escaped: a message may quote half a surrogate pair, which UTF-8 cannot hold.
    text = json.dumps(body.model_dump(mode="json"))
    return Response(text, status, given, media_type=MEDIA_TYPE)


def entry_of(found: Problem) -> ProblemEntry:
    return ProblemEntry.model_validate(asdict(found))


def status_of(error: FlowRunnerError) -> int:
    """Look the error's type up, then its ancestors."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def install(app: FastAPI) -> None:
    """Let *app* answer every expected error; others are the boundary's."""
    app.add_exception_handler(FlowRunnerError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _plain)
    for away in (*_AWAY, PoolTimeout):
        app.add_exception_handler(away, _away)
    app.add_exception_handler(psycopg.DataError, _unstorable)


def request_id_of(request: Request) -> str:
    return str(request.scope.get("request_id", ""))


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, FlowRunnerError)  # noqa: S101  # registered for it
    status = status_of(error)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        raise error
    found = error.problems if isinstance(error, InvalidInputError | InvalidFlowError) else ()
    return problem(
        error.code,
        status,
        str(error),
        entries=[entry_of(each) for each in found],
        hint=error.hint,
        context=_plain_values(error.context),
        headers=error.headers if isinstance(error, BadRangeError) else None,
        request_id=request_id_of(request),
    )


def _plain_values(context: Mapping[str, object]) -> dict[str, Any]:
    return {key: value for key, value in context.items() if isinstance(value, str | int | list)}


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  # registered for it
    entries = [_entry(told) for told in error.errors()]
    count = len(entries)
    detail = entries[0].message if count == 1 else f"{count} problems"
    return problem("invalid-input", 422, detail, entries=entries, request_id=request_id_of(request))


def _entry(told: Mapping[str, Any]) -> ProblemEntry:
    where, *path = told["loc"]
    code = str(told["type"]).replace("_", "-")
    message = str(told["msg"]).removeprefix("Value error, ")
    if where == "body":
        return ProblemEntry(code=code, message=message, pointer=pointer(path))
    parameter = ".".join(map(str, path))
    return ProblemEntry(code=code, message=message, parameter=parameter, hint=told.get("hint"))


def pointer(path: Sequence[str | int]) -> str:
    """Write a place in a JSON body (RFC 6901)."""
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in path)
    return "".join(f"/{part}" for part in parts)


def _plain(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # registered for it
    code = _OF_STATUS.get(error.status_code, "bad-request")
    detail = TITLES[code]
    if error.status_code == HTTPStatus.NOT_FOUND:
        detail = f"there is nothing at {request.url.path}"
    return problem(
        code,
        error.status_code,
        detail,
        headers=_with_head(error.headers),
        request_id=request_id_of(request),
    )


def _with_head(headers: Mapping[str, str] | None) -> Mapping[str, str] | None:
    """What GET answers, HEAD does; the router does not know."""
    if headers is None or headers.get("Allow") != "GET":
        return headers
    return {**headers, "Allow": "GET, HEAD"}


def _away(request: Request, error: Exception) -> Response:
    log.warning("request.unavailable", error=str(error).strip())
    request_id = request_id_of(request)
    return problem("unavailable", 503, told(error), request_id=request_id)


def _unstorable(request: Request, error: Exception) -> Response:
    # A belt: values are checked at the door. What PostgreSQL still refuses is no fault of ours.
    log.warning("request.unstorable", error=str(error).strip())
    detail = "a value is out of what can be stored"
    return problem("invalid-input", 422, detail, request_id=request_id_of(request))
