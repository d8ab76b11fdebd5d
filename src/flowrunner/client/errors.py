"""What a call may raise.

ClientError
  UnreachableError     no server answered, however often it was asked
  RefusedError         the server answered with a problem; `problem` holds all of it
    DeniedError        401, 403, 421: no token, or the wrong one
    NotFoundError      404
    ConflictError      409: the state forbids it
    InvalidInputError  400, 422: every problem at once
"""

from __future__ import annotations

from http import HTTPStatus

from pydantic import ValidationError

from flowrunner.wire.problems import MEDIA_TYPE, ProblemBody


class ClientError(Exception):
    pass


class UnreachableError(ClientError):
    def __init__(self, server: str, reason: str) -> None:
        super().__init__(f"no server answers at {server}: {reason}")
        self.server = server


class RefusedError(ClientError):
    def __init__(self, problem: ProblemBody) -> None:
        super().__init__(f"{problem.title}: {problem.detail}")
        self.problem = problem


class DeniedError(RefusedError):
    pass


class NotFoundError(RefusedError):
    pass


class ConflictError(RefusedError):
    pass


class InvalidInputError(RefusedError):
    pass


_KINDS: dict[int, type[RefusedError]] = {
    HTTPStatus.BAD_REQUEST: InvalidInputError,
    HTTPStatus.UNAUTHORIZED: DeniedError,
    HTTPStatus.FORBIDDEN: DeniedError,
    HTTPStatus.NOT_FOUND: NotFoundError,
    HTTPStatus.CONFLICT: ConflictError,
    HTTPStatus.MISDIRECTED_REQUEST: DeniedError,
    HTTPStatus.UNPROCESSABLE_ENTITY: InvalidInputError,
}


def refusal(status: int, media_type: str, body: bytes) -> RefusedError:
    """Read an answer that is no success; one that is not ours is told as it came."""
    problem = _problem(body) if media_type.startswith(MEDIA_TYPE) else None
    if problem is None:
        told = body[:200].decode(errors="replace").strip() or "no more was said"
        problem = ProblemBody(
            type="about:blank",
            title=f"HTTP {status}",
            status=status,
            code=f"http-{status}",
            detail=told,
        )
    return _KINDS.get(status, RefusedError)(problem)


def _problem(body: bytes) -> ProblemBody | None:
    try:
        return ProblemBody.model_validate_json(body)
    except ValidationError:
        return None
