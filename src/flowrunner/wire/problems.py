"""How every error looks on the wire: RFC 9457, all problems at once."""

from __future__ import annotations

from pydantic import Field, JsonValue

from flowrunner.wire.base import ReplyModel

MEDIA_TYPE = "application/problem+json"


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
    code: str
    detail: str
    errors: tuple[ProblemEntry, ...] = ()
    hint: str | None = None
    context: dict[str, JsonValue] = Field(default_factory=dict)
    request_id: str = ""
