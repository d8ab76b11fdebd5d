"""Errors of the layers below as endings of a command."""

from __future__ import annotations

import sys
from http import HTTPStatus

from pydantic import ValidationError

from flowrunner.cli.exits import Ending, Exit
from flowrunner.client.errors import (
    AmbiguousApprovalError,
    ClientError,
    ConflictError,
    DeniedError,
    GoneError,
    InvalidInputError,
    NoApprovalError,
    NotFoundError,
    RefusedError,
    UnreachableError,
)
from flowrunner.core import errors as core
from flowrunner.embedded.errors import EmbeddedError
from flowrunner.wire.problems import ProblemEntry

_REFUSED: dict[type[RefusedError], Exit] = {
    DeniedError: Exit.DENIED,
    NotFoundError: Exit.NOT_FOUND,
    ConflictError: Exit.REFUSED,
    GoneError: Exit.REFUSED,
    InvalidInputError: Exit.INVALID,
}
_RAISED: dict[type[core.FlowRunnerError], Exit] = {
    core.NotFoundError: Exit.NOT_FOUND,
    core.ConflictError: Exit.REFUSED,
    core.InvalidInputError: Exit.INVALID,
    core.InvalidFlowError: Exit.INVALID,
    core.UnavailableError: Exit.UNREACHABLE,
    EmbeddedError: Exit.UNREACHABLE,
}
_AWAY = frozenset(
    {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
)


def ending_of_failure(error: Exception) -> Ending | None:
    """Explain an expected error; None for one that nobody expected."""
    match error:
        case UnreachableError():
            hint = "start one: flowrunner serve"
            return Ending(Exit.UNREACHABLE, "unreachable", str(error), hint=hint)
        case RefusedError():
            return _refused(error)
        case NoApprovalError():
            hint = "list what is asked: flowrunner approvals"
            return Ending(Exit.REFUSED, "no-approval", str(error), hint=hint)
        case AmbiguousApprovalError():
            return Ending(Exit.USAGE, "ambiguous-step", str(error), error.steps)
        case ClientError():
            return Ending(Exit.USAGE, "usage", str(error))
        case core.InvariantError():
            return None
        case core.FlowRunnerError():
            return _raised(error)
        case ValidationError():
            return _misconfigured(error)
        case _:
            return _away(_of_the_driver(error))


def _of_the_driver(error: Exception) -> object:
    """What the driver raised, where SQLAlchemy says it in words of its own."""
    return getattr(error, "orig", None) or error


def _away(error: object) -> Ending | None:
    """The driver's error; it need not be imported by who has no database."""
    driver = sys.modules.get("psycopg")
    if driver is None or not isinstance(error, driver.OperationalError):
        return None
    told = f"the database is away: {error}".strip()
    hint = "start it, or correct FLOWRUNNER_DATABASE_URL; flowrunner doctor looks at everything"
    return Ending(Exit.UNREACHABLE, "database", told, hint=hint)


def _refused(error: RefusedError) -> Ending:
    problem = error.problem
    candidates = problem.context.get("candidates")
    listed = [str(each) for each in candidates] if isinstance(candidates, list) else []
    lines = [line_of(entry) for entry in problem.errors] + listed
    is_away = problem.status in _AWAY
    exit_code = _REFUSED.get(type(error), Exit.UNREACHABLE if is_away else Exit.UNEXPECTED)
    return Ending(exit_code, problem.code, problem.detail, tuple(lines), problem.hint)


def line_of(entry: ProblemEntry) -> str:
    """One problem as a line: where, what, what to do."""
    place = entry.pointer or entry.parameter or ""
    if entry.file is not None:
        parts = (entry.file, entry.line, entry.column)
        place = ":".join(str(part) for part in parts if part is not None)
    text = f"{place}: {entry.message}" if place else entry.message
    return f"{text} ({entry.code})" + (f"\n  hint: {entry.hint}" if entry.hint else "")


def _raised(error: core.FlowRunnerError) -> Ending:
    found = (
        error.problems if isinstance(error, core.InvalidInputError | core.InvalidFlowError) else ()
    )
    kinds = (_RAISED[kind] for kind in type(error).__mro__ if kind in _RAISED)
    exit_code = next(kinds, Exit.UNEXPECTED)
    return Ending(exit_code, error.code, str(error), tuple(map(str, found)), error.hint)


def _misconfigured(error: ValidationError) -> Ending:
    told = error.errors(include_url=False, include_input=False)
    lines = tuple(
        f"FLOWRUNNER_{'__'.join(str(part).upper() for part in each['loc'])}: {each['msg']}"
        for each in told
    )
    return Ending(Exit.INVALID, "settings", "the settings cannot be used", lines)
