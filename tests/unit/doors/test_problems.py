"""The table from errors to statuses, and what a refusal may hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flowrunner.api.errors import (
    MOST_ENTRIES,
    STATUS,
    TITLES,
    BadEventIdError,
    BadRangeError,
    pointer,
    problem,
    status_of,
)
from flowrunner.core.errors import (
    ConflictError,
    FlowRunnerError,
    InvalidFlowError,
    InvalidInputError,
    InvariantError,
    NotFoundError,
    UnavailableError,
)
from flowrunner.engine.committer import OutcomeUnknownError
from flowrunner.service.approvals import (
    AlreadyDecidedError,
    DefinitionChangedError,
    ExpiredError,
    NotApproverError,
    StaleDigestError,
)
from flowrunner.service.control import NotRetryableError
from flowrunner.service.cursors import BadCursorError
from flowrunner.service.finding import AmbiguousIdError
from flowrunner.service.views import NoReportError, NotFinishedError
from flowrunner.wire.problems import ProblemCode, ProblemEntry

DOCS = Path(__file__).parents[3] / "docs" / "reference" / "doors.md"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (NotFoundError("x"), 404),
        (NoReportError("x"), 404),
        (ConflictError("x"), 409),
        (AmbiguousIdError("x"), 409),
        (NotFinishedError("x"), 409),
        (AlreadyDecidedError("x"), 409),
        (StaleDigestError("x"), 409),
        (DefinitionChangedError("x"), 409),
        (NotRetryableError("x"), 409),
        (NotApproverError("x"), 403),
        (ExpiredError("x"), 410),
        (BadRangeError(3), 416),
        (InvalidInputError("x", ()), 422),
        (InvalidFlowError("x", ()), 422),
        (UnavailableError("x"), 503),
        (OutcomeUnknownError("x"), 503),
        (BadCursorError("x"), 400),
        (BadEventIdError("x"), 400),
        (InvariantError("x"), 500),
        (FlowRunnerError("x"), 500),
    ],
)
def test_an_errors_type_decides_its_status(error: FlowRunnerError, expected: int) -> None:
    """The nearest ancestor in the one table counts; what nobody listed is our own fault."""
    assert status_of(error) == expected


def test_every_code_of_the_door_has_a_title() -> None:
    """A refusal without words of its own would be told by its number."""
    assert {kind.code for kind in STATUS} <= TITLES.keys()


def test_the_codes_of_the_door_are_one_enum() -> None:
    """Clients find every code in one place, which OpenAPI lists (experience 4.2)."""
    assert {code.value for code in ProblemCode} == TITLES.keys()


def test_every_code_is_explained() -> None:
    """docs/reference/doors.md has a line for every code."""
    text = DOCS.read_text(encoding="utf-8")

    assert [code for code in TITLES if f"`{code}`" not in text] == []


def test_a_refusal_can_quote_anything() -> None:
    """S8: half a surrogate pair in a message is escaped and not a second error."""
    body = json.loads(bytes(problem("not-found", 404, "no \ud800").body))

    assert (body["status"], body["code"], body["type"]) == (
        404,
        "not-found",
        "urn:flowrunner:problem:not-found",
    )


def test_more_problems_than_can_be_read_are_counted() -> None:
    """P11: what is not listed is counted."""
    entries = [ProblemEntry(code="bad", message=str(n)) for n in range(MOST_ENTRIES + 3)]

    body = json.loads(bytes(problem("invalid-input", 422, "many", entries=entries).body))

    assert len(body["errors"]) == MOST_ENTRIES + 1
    assert body["errors"][-1]["message"] == "and 3 more problems"


def test_who_may_try_again_is_told_when() -> None:
    """503 says when to come back."""
    assert problem("unavailable", 503, "away").headers["retry-after"] == "1"


def test_a_pointer_escapes_its_parts() -> None:
    """RFC 6901: `~` and `/` in names are written as `~0` and `~1`."""
    assert pointer(["a/b", 0, "c~d"]) == "/a~1b/0/c~0d"
