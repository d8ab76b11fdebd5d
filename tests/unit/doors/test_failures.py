"""Which number each kind of failure ends a command with (§3.3)."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from flowrunner.cli.exits import CommandError, Exit, ending_of
from flowrunner.client import (
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
from flowrunner.core.errors import InvariantError
from flowrunner.embedded.errors import StartError
from flowrunner.wire.problems import ProblemBody, ProblemEntry

PROBLEM = ProblemBody(
    type="urn:x",
    title="No",
    status=409,
    code="already-decided",
    detail="publish was approved by ana",
    errors=(ProblemEntry(code="missing", message="is missing", pointer="/values/risk"),),
    hint="look first",
)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (RefusedError, Exit.UNEXPECTED),
        (DeniedError, Exit.DENIED),
        (NotFoundError, Exit.NOT_FOUND),
        (ConflictError, Exit.REFUSED),
        (GoneError, Exit.REFUSED),
        (InvalidInputError, Exit.INVALID),
    ],
)
def test_a_refusal_has_its_number(kind: type[RefusedError], code: Exit) -> None:
    """Code, words, every problem and the hint reach the terminal as the server told them."""
    ending = ending_of(kind(PROBLEM))

    assert ending is not None
    assert (ending.exit_code, ending.code) == (code, "already-decided")
    assert ending.lines() == [
        "error: publish was approved by ana",
        "  /values/risk: is missing (missing)",
        "hint: look first",
    ]


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_database_that_is_away_is_not_unexpected(status: int) -> None:
    """F66: a script that may try again is told so, whether the server or its database is away."""
    ending = ending_of(RefusedError(PROBLEM.model_copy(update={"status": status})))

    assert ending is not None
    assert ending.exit_code is Exit.UNREACHABLE


def test_the_drivers_words_are_told_and_not_the_librarys() -> None:
    """Whoever starts a server without its database reads what to mend, and no stack of calls."""
    error = OperationalError("SELECT 1", {}, psycopg.OperationalError("gone"))

    ending = ending_of(error)

    assert ending is not None
    assert ending.exit_code is Exit.UNREACHABLE
    assert ending.lines()[0] == "error: the database is away: gone"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UnreachableError("http://x", "refused"), Exit.UNREACHABLE),
        (NoApprovalError("k3f9 asks for no approval"), Exit.REFUSED),
        (AmbiguousApprovalError("k3f9", ["publish", "deploy"]), Exit.USAGE),
        (ClientError("'x' is no server"), Exit.USAGE),
        (CommandError("no", Exit.TIMEOUT), Exit.TIMEOUT),
        (psycopg.OperationalError("gone"), Exit.UNREACHABLE),
        (StartError("postgres ended with 2"), Exit.UNREACHABLE),
    ],
    ids=["unreachable", "no-approval", "ambiguous", "client", "command", "database", "embedded"],
)
def test_other_failures_have_theirs(error: Exception, code: Exit) -> None:
    """A number tells a script what to do; the words tell a person."""
    ending = ending_of(error)

    assert ending is not None
    assert ending.exit_code is code
    assert ending.to_json()["exit_code"] == int(code)


def test_several_questions_are_named() -> None:
    """F41: which step was meant can only be said by who asks."""
    ending = ending_of(AmbiguousApprovalError("k3f9", ["publish", "deploy"]))

    assert ending is not None
    assert ending.problems == ("publish", "deploy")


@pytest.mark.parametrize("error", [ValueError("x"), InvariantError("x")], ids=["bug", "invariant"])
def test_bugs_are_nobodys_ending(error: Exception) -> None:
    """What nobody expected is told as such, with a way to the whole story."""
    assert ending_of(error) is None
