"""What a call may raise.

ClientError
  UnreachableError     no server answered, however often it was asked
  RunFailedError       a result was asked for of a run that did not complete; `run` is that run
  NoApprovalError      the run asks for nothing
  AmbiguousApprovalError  it asks for several things; `steps` names them
  RefusedError         the server answered with a problem; `problem` holds all of it
    DeniedError        401, 403, 421: no token, or the wrong one
    NotFoundError      404
    ConflictError      409: the state forbids it
    GoneError          410: it expired
    InvalidInputError  400, 422: every problem at once
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from pydantic import ValidationError

from flowrunner.wire.problems import MEDIA_TYPE, ProblemBody
from flowrunner.wire.runs import Run


class ClientError(Exception):
    pass


class UnreachableError(ClientError):
    def __init__(self, server: str, reason: str) -> None:
        super().__init__(f"no server answers at {server}: {reason}")
        self.server = server


class RunFailedError(ClientError):
    def __init__(self, run: Run) -> None:
        why = f": {run.error.code}: {run.error.message}" if run.error else ""
        super().__init__(f"the run {run.id} is {run.status}{why}")
        self.run = run


class NoApprovalError(ClientError):
    pass


class AmbiguousApprovalError(ClientError):
    def __init__(self, run: str, steps: Sequence[str]) -> None:
        super().__init__(f"{run} asks for several approvals, name the step: {', '.join(steps)}")
        self.steps = tuple(steps)


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


class GoneError(RefusedError):
    pass


class InvalidInputError(RefusedError):
    pass


_KINDS: dict[int, type[RefusedError]] = {
    HTTPStatus.BAD_REQUEST: InvalidInputError,
    HTTPStatus.UNAUTHORIZED: DeniedError,
    HTTPStatus.FORBIDDEN: DeniedError,
    HTTPStatus.NOT_FOUND: NotFoundError,
    HTTPStatus.CONFLICT: ConflictError,
    HTTPStatus.GONE: GoneError,
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
