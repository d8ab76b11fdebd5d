"""Runs, their steps and their reports as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, TypeAlias
from uuid import UUID

from pydantic import Field, JsonValue

from flowrunner.wire.base import ReplyModel, RequestModel

RunStatus: TypeAlias = Literal["queued", "running", "paused", "completed", "failed", "cancelled"]
StepStatus: TypeAlias = Literal[
    "excluded", "pending", "running", "blocked", "completed", "failed", "skipped", "cancelled"
]
AttemptStatus: TypeAlias = Literal["offered", "running", "completed", "failed", "cancelled", "lost"]
ENDED: frozenset[str] = frozenset({"completed", "failed", "cancelled"})

Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=200)]
LabelKey: TypeAlias = Annotated[str, Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_./-]{0,62}$")]
LabelValue: TypeAlias = Annotated[str, Field(max_length=200)]


class LaunchBody(RequestModel):
    """What to launch; *project* is an absolute path on the server's machine."""

    input: dict[str, JsonValue] = Field(default_factory=dict)
    band: Name | None = None
    project: Annotated[str, Field(pattern=r"^/", max_length=4096)] | None = None
    model: Name | None = None
    agent: Name | None = None
    title: Annotated[str, Field(max_length=200)] = ""
    labels: Annotated[dict[LabelKey, LabelValue], Field(max_length=20)] = Field(
        default_factory=dict
    )


class RerunBody(RequestModel):
    """Fields of *input_patch* win over those of the old input, null takes one away.

    *latest*: as the flow is now, if it has changed since. Without *title* the old one is kept.
    """

    input_patch: dict[str, JsonValue] = Field(default_factory=dict)
    latest: bool = False
    title: Annotated[str, Field(max_length=200)] | None = None


class LaunchReply(ReplyModel):
    """*replayed*: this Idempotency-Key was used before; this is the run of that time."""

    id: UUID
    status: RunStatus
    url: str
    events_url: str
    replayed: bool


class CancelBody(RequestModel):
    reason: Annotated[str, Field(max_length=1000)] = ""


class CancelReply(ReplyModel):
    """*was_live* is false when the run had been cancelled before, by *actor* at *at*."""

    id: UUID
    status: RunStatus
    was_live: bool
    actor: str = ""
    at: datetime | None = None


class ErrorText(ReplyModel):
    code: str
    message: str


class Spent(ReplyModel):
    """Money in millionths of a dollar."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost_microusd: int = 0


class Tally(ReplyModel):
    """Steps that take part (excluded ones do not), and how many of them ended or run."""

    total: int
    done: int
    failed: int
    running: int


class RunRow(ReplyModel):
    """One run in a list: no payloads. *questions* are open ones; *generation* counts retries."""

    id: UUID
    flow: str
    band: str
    status: RunStatus
    degraded: bool
    outcome: str | None
    title: str
    labels: dict[str, str]
    project: str
    launched_by: str
    trigger: str
    created_at: datetime
    finished_at: datetime | None
    steps: Tally
    usage: Spent
    error: ErrorText | None
    generation: int = 1
    questions: int = 0


class RunPage(ReplyModel):
    """Newest first; *next_cursor* leads to older runs, None means that there are none."""

    items: tuple[RunRow, ...]
    next_cursor: str | None


class RunCounts(ReplyModel):
    """By status; *waiting* are those of them that ask somebody something."""

    queued: int = 0
    running: int = 0
    paused: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    waiting: int = 0


class Run(RunRow):
    """One run whole; *version* is the sequence number of its last event."""

    version: int
    project_root: str
    agent: str
    model: str | None
    definition: str
    input: JsonValue
    has_report: bool
    updated_at: datetime


class Attempt(ReplyModel):
    """One try of a step. *generation*: which beginning of the run it belongs to.

    `lost`: its worker died or let go of it. *started_at* is when a worker took it. One that is not
    *counted* is none of those that the step's policy allows: it waited for quota, say. It may have
    a record of how it was run, and what it had said before it failed, its partial answer.
    """

    attempt: int
    generation: int
    status: AttemptStatus
    error: ErrorText | None
    usage: Spent
    dispatched_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    worker: str | None
    has_prompt: bool
    has_output: bool
    counted: bool = True
    has_record: bool = False
    has_partial: bool = False


class QuotaWait(ReplyModel):
    """Nothing is sent to *provider* (None: not named) before *until*; then the step goes on."""

    provider: str | None
    until: datetime | None


class ChildCounts(ReplyModel):
    """The members of a list, the iterations of a loop, or the calls of a code step."""

    total: int
    live: int
    completed: int
    failed: int


class StepRow(ReplyModel):
    """One step; *waiting_for* names the needs that have not ended, *worker* who holds it now.

    *delayed*: the next attempt waits until *due_at*, and for *quota* where that is why; a wait step
    goes on then. A child names
    its *parent*, by key, and its *position* in the parent's list or loop; a parent counts its
    *children*. *approval* is the id of the open question of an approval step. *attempts* are there
    if they were asked for.
    """

    step_no: int
    key: str
    label: str
    kind: str
    persona: str | None
    status: StepStatus
    attempt: int
    failures: int
    crashes: int
    delayed: bool
    needs: tuple[str, ...]
    waiting_for: tuple[str, ...]
    reason: str | None
    error: ErrorText | None
    usage: Spent
    dispatched_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    worker: str | None
    due_at: datetime | None = None
    quota: QuotaWait | None = None
    phase: str | None = None
    parent: str | None = None
    position: int | None = None
    children: ChildCounts | None = None
    approval: str | None = None
    attempts: tuple[Attempt, ...] | None = None


class StepList(ReplyModel):
    """Steps in flow order, children after them in the order they came; excluded ones say why."""

    items: tuple[StepRow, ...]
    next_cursor: str | None = None


class ReportBody(ReplyModel):
    """*partial*: the run failed and this is what there was to say (D2-32)."""

    run_id: UUID
    flow: str
    status: RunStatus
    partial: bool
    outcome: str
    markdown: str
    data: JsonValue
