"""What a dispatcher and the service say to each other, the same over REST and in process."""

from __future__ import annotations

import json
from typing import Annotated, Literal, TypeAlias
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    JsonValue,
    model_validator,
)

from flowrunner.core.graph import Limits
from flowrunner.wire.base import ReplyModel, RequestModel

REPLACEMENT = "\ufffd"
_MARK_ROOM = 64

FailureClass: TypeAlias = Literal["transient", "quota", "contract", "fatal"]
Outcome: TypeAlias = Literal["completed", "failed", "cancelled"]
ReportVerdict: TypeAlias = Literal["accepted", "stale"]


def storable(text: str) -> str:
    """Replace what PostgreSQL or UTF-8 refuses (NUL, lone surrogates) by U+FFFD."""
    if text.isascii():
        return text.replace("\0", REPLACEMENT)
    return "".join(REPLACEMENT if c == "\0" or "\ud800" <= c <= "\udfff" else c for c in text)


def _storable(value: object) -> object:
    return storable(value) if isinstance(value, str) else value


def shortened(text: str, limit: int) -> str:
    """Make *text* storable and cut it after *limit* characters, saying so (P11)."""
    if len(text) <= limit:
        return storable(text)
    kept = limit - _MARK_ROOM
    return storable(f"{text[:kept]} [flowrunner: cut, {len(text) - kept} more characters]")


def _short(limit: int) -> BeforeValidator:
    def cut(value: object) -> object:
        return shortened(value, limit) if isinstance(value, str) else value

    return BeforeValidator(cut)


Text: TypeAlias = Annotated[str, BeforeValidator(_storable)]
Message: TypeAlias = Annotated[str, _short(16_000)]
Code: TypeAlias = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
# What bigint columns hold, and the sums of a run's steps still do.
Count: TypeAlias = Annotated[int, Field(ge=0, le=10**15)]
Seconds: TypeAlias = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Epoch: TypeAlias = Annotated[int, Field(ge=0, lt=2**63)]

RECORD_BYTES = 64 * 1024


def _bounded(record: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if len(json.dumps(record).encode()) > RECORD_BYTES:
        msg = f"the record of an attempt has at most {RECORD_BYTES} bytes as JSON"
        raise ValueError(msg)
    return record


Record: TypeAlias = Annotated[dict[str, JsonValue], AfterValidator(_bounded)]
"""What is kept with an attempt for people: its gate and proof, versions, tools, denials, rates."""


class ClaimedTask(ReplyModel):
    """One attempt, offered under one lease; *input* is the prompt as UTF-8."""

    task_id: str
    """The run, the step's number and the attempt, joined by dots."""
    run_id: UUID
    step_no: int
    attempt: int
    epoch: int
    queue: str
    step_key: str
    kind: Literal["agent", "code"] = "agent"
    project_root: str
    agent: str
    model: str | None = None
    persona: str | None = None
    mode_id: str
    limits: Limits = Limits()
    input: bytes | None = None


class TaskError(RequestModel):
    """Why an attempt failed; *failure_class* decides whether it is tried again."""

    code: Code
    message: Message
    failure_class: FailureClass = "fatal"
    hint: Message | None = None


class Usage(RequestModel):
    """What an attempt consumed; money in millionths of a dollar."""

    input_tokens: Count = 0
    output_tokens: Count = 0
    cost_microusd: Count = 0
    seconds: Seconds = 0.0


class TaskReport(RequestModel):
    """How an attempt ended. Sending it again is safe: the epoch makes it the same report.

    A completed report has an output that is not blank, a failed one an error: an agent that said
    nothing cannot be reported as one that found nothing (P9).
    """

    epoch: Epoch
    outcome: Outcome
    output: Text | None = None
    error: TaskError | None = None
    usage: Usage = Usage()
    truncated_bytes: Count = 0
    """How much of the output was not kept; the output then ends in a mark that says so (P11)."""
    replaced_count: Count = 0
    """How many characters of the output could not be kept and stand as U+FFFD (P11)."""
    partial: Text | None = None
    """What a failed attempt had said; it is kept to be read, and is no answer."""
    provider: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    quota_until: AwareDatetime | None = None
    """Until when the provider answers nobody: nothing is sent to it before, and none is burnt."""
    record: Record | None = None

    @model_validator(mode="after")
    def _says_what_it_must(self) -> TaskReport:
        if self.outcome == "completed" and not (self.output or "").strip():
            msg = "a completed task has an output that is not blank; report `empty_answer` instead"
            raise ValueError(msg)
        if (self.outcome == "failed") != (self.error is not None):
            msg = "a failed task has an error, and no other has"
            raise ValueError(msg)
        if self.partial is not None and self.outcome != "failed":
            msg = "only what failed has a partial answer"
            raise ValueError(msg)
        if self.quota_until is not None and self.provider is None:
            msg = "quota_until is about a provider, which is not named"
            raise ValueError(msg)
        return self


class ReportReply(ReplyModel):
    """`stale`: the lease was not held any more. Nothing was applied, and nothing is left to do."""

    verdict: ReportVerdict


class Registration(RequestModel):
    """A process that holds leases. Each registration has a new id: none is ever taken up again."""

    worker_id: UUID
    name: str = Field(min_length=1, max_length=200)
    host: str = Field(max_length=255)
    pid: int
    queues: tuple[str, ...] = Field(min_length=1)
    slots: int = Field(ge=1, le=10_000)
    version: str = ""


class ClaimRequest(RequestModel):
    worker_id: UUID
    queues: tuple[str, ...] = Field(min_length=1)
    count: int = Field(ge=1, le=1000)


class ClaimReply(ReplyModel):
    tasks: tuple[ClaimedTask, ...]


class RenewRequest(RequestModel):
    """Every lease the worker knows; *lease_seconds* from now, by the database's clock."""

    lease_seconds: float = Field(gt=0, le=3600)
    held: tuple[Epoch, ...] = ()


class Renewal(ReplyModel):
    """*known* is false when the worker's row is gone; *lost* names leases to let go at once.

    *paused*: providers that answer nobody, each with the seconds from now until it does.
    """

    known: bool
    lost: tuple[int, ...] = ()
    paused: dict[str, float] = Field(default_factory=dict[str, float])


class ReleaseRequest(RequestModel):
    """Hand leases back: those in *epochs*, or all that are not in *keep*. Exactly one is given."""

    epochs: tuple[Epoch, ...] | None = None
    keep: tuple[Epoch, ...] | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> ReleaseRequest:
        if (self.epochs is None) == (self.keep is None):
            msg = "give either epochs or keep"
            raise ValueError(msg)
        return self


class ReleaseReply(ReplyModel):
    released: int


class Chunk(RequestModel):
    """A piece of what an agent streamed; sent again after a doubt, and kept once per seq."""

    seq: Count
    kind: Literal["text", "stderr", "system"]
    text: Text


class TranscriptRequest(RequestModel):
    epoch: Epoch
    chunks: tuple[Chunk, ...] = Field(min_length=1)
