"""What went wrong, as an error of the protocol that says which class of failure it is."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, cast

from pydantic_ai import exceptions as failures

from flowrunner.dispatch.acp.messages import Json
from flowrunner.wire.tasks import shortened

PERSON_NEEDED = -32010
"""Nothing but a person can repair this; `dispatch.adapters.judging` knows the number."""
INTERNAL_ERROR = -32603
_CHARACTERS = 4000
SHORTEST_SECRET = 8
"""What is shorter stands for a key where none is needed, and is a word like any other."""

_STATUS: tuple[tuple[type[Exception], HTTPStatus], ...] = (
    (failures.ModelContextWindowExceededError, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (failures.ModelRateLimitError, HTTPStatus.TOO_MANY_REQUESTS),
    (failures.ModelQuotaExceededError, HTTPStatus.TOO_MANY_REQUESTS),
    (failures.ModelAuthenticationError, HTTPStatus.UNAUTHORIZED),
    (failures.ModelNotFoundError, HTTPStatus.NOT_FOUND),
)


class PersonNeededError(Exception):
    """A login that was refused, or a secret that is not there: trying again changes nothing."""


class OutOfReachError(Exception):
    """An MCP server, or who gives tokens for it, does not answer; later it may."""


class SettingsError(Exception):
    """The settings ask for what cannot be."""


def error_of(exc: BaseException, key: str) -> Json:
    """Return the error, without *key*: some providers repeat it."""
    code, message = _told(exc)
    if len(key) >= SHORTEST_SECRET:
        message = message.replace(key, "[key]")
    return {"code": code, "message": shortened(message, _CHARACTERS)}


def _told(exc: BaseException) -> tuple[int, str]:
    match exc:
        case failures.ModelAPIError():
            return _code(exc), _words(exc)
        case PersonNeededError():
            return PERSON_NEEDED, str(exc)
        case OutOfReachError():
            return HTTPStatus.SERVICE_UNAVAILABLE, str(exc)
        case SettingsError():
            return HTTPStatus.BAD_REQUEST, str(exc)
        case failures.AgentRunError():
            return INTERNAL_ERROR, str(exc)
        case _:
            return INTERNAL_ERROR, f"{type(exc).__name__}: {exc}"


def _code(exc: failures.ModelAPIError) -> int:
    """The status where there is one; a broken stream, whatever it says, is like 503."""
    found = next((status for kind, status in _STATUS if isinstance(exc, kind)), None)
    if found == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return found  # Providers say 400.
    if isinstance(exc, failures.ModelHTTPError):
        return exc.status_code
    return HTTPStatus.SERVICE_UNAVAILABLE if found is None else found


def _words(exc: failures.ModelAPIError) -> str:
    """What the provider says, and when it will answer again in words that are understood."""
    body = exc.body
    told = cast("dict[str, Any]", body).get("message") if isinstance(body, dict) else body
    words = told if isinstance(told, str) and told.strip() else str(exc)
    if exc.__cause__ is not None and exc.__cause__.__cause__ is not None:
        words += f" ({exc.__cause__.__cause__})"
    if exc.retry_after is not None and exc.retry_after > 0:
        words += f"; retry after {exc.retry_after:g} s"
    return words
