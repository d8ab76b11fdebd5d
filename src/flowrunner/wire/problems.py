"""How every error looks on the wire: RFC 9457, all problems at once."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, JsonValue

from flowrunner.wire.base import ReplyModel

MEDIA_TYPE = "application/problem+json"


class ProblemCode(StrEnum):
    """Every code that a refusal of the REST door may have; docs/reference/doors.md says more."""

    ALREADY_DECIDED = "already-decided"
    AMBIGUOUS_ID = "ambiguous-id"
    BAD_CURSOR = "bad-cursor"
    BAD_EVENT_ID = "bad-event-id"
    BAD_HOST = "bad-host"
    BAD_ORIGIN = "bad-origin"
    BAD_REQUEST = "bad-request"
    CONFLICT = "conflict"
    DEFINITION_CHANGED = "definition-changed"
    EXPIRED = "expired"
    IDEMPOTENCY_MISMATCH = "idempotency-mismatch"
    INTERNAL_ERROR = "internal-error"
    INVALID_FLOW = "invalid-flow"
    INVALID_INPUT = "invalid-input"
    INVALID_JSON = "invalid-json"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    NO_REPORT = "no-report"
    NOT_ACCEPTABLE = "not-acceptable"
    NOT_APPROVER = "not-approver"
    NOT_FINISHED = "not-finished"
    NOT_FOUND = "not-found"
    NOT_RETRYABLE = "not-retryable"
    NOT_UNDERSTOOD = "not-understood"
    OUTCOME_UNKNOWN = "outcome-unknown"
    PAYLOAD_TOO_LARGE = "payload-too-large"
    RANGE_NOT_SATISFIABLE = "range-not-satisfiable"
    STALE_DIGEST = "stale-digest"
    TOO_MANY_STREAMS = "too-many-streams"
    UNAUTHORIZED = "unauthorized"
    UNAVAILABLE = "unavailable"
    UNSUPPORTED_MEDIA_TYPE = "unsupported-media-type"


class ProblemEntry(ReplyModel):
    """One thing that is wrong: *pointer* into the body, or a *parameter*, or a place in a file."""

    code: str
    message: str
    pointer: str | None = None
    parameter: str | None = None
    file: str | None = None
    line: int | None = None
    column: int | None = None
    hint: str | None = None


class ProblemBody(ReplyModel):
    """One refused request; *context* holds what a machine may need, by the code."""

    type: str
    title: str
    status: int
    # Not the enum itself: an older client must be able to read a newer server's code.
    code: Annotated[str, Field(json_schema_extra={"enum": [code.value for code in ProblemCode]})]
    detail: str
    errors: tuple[ProblemEntry, ...] = ()
    hint: str | None = None
    context: dict[str, JsonValue] = Field(default_factory=dict)
    request_id: str = ""
