"""Approvals as JSON: what is asked, by whom it may be decided, and what was decided."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias
from uuid import UUID

from pydantic import Field, JsonValue

from flowrunner.wire.base import ReplyModel, RequestModel
from flowrunner.wire.runs import RunStatus

ApprovalStatus: TypeAlias = Literal["open", "approved", "rejected", "expired", "withdrawn"]
Decision: TypeAlias = Literal["approve", "reject"]
Rejection: TypeAlias = Literal["stop", "continue", "redo"]


class Approval(ReplyModel):
    """One question to a person.

    *id* is the run, the step's number and the round, joined by dots: a run that was sent back asks
    again, in a new round. *title* is the first line of *body_md*. *digest* names exactly what is
    approved: send it back, and a decision about something else is refused. *approvers*: nobody
    named means anybody. *on_reject* is what a rejection means unless it says otherwise.
    """

    id: str
    run_id: UUID
    flow: str
    run_title: str
    step: str
    label: str
    round: int
    title: str
    body_md: str
    form_schema: dict[str, Any] | None
    digest: str
    approvers: tuple[str, ...]
    on_reject: Rejection
    requested_at: datetime
    expires_at: datetime | None
    status: ApprovalStatus
    decided_by: str | None
    decided_at: datetime | None
    comment: str


class ApprovalPage(ReplyModel):
    """Oldest first: what has waited longest stands on top."""

    items: tuple[Approval, ...]
    next_cursor: str | None


class DecisionBody(RequestModel):
    """*values* fit the approval's form; *then* says what a rejection means, else the flow does.

    *digest*: decide only if this is still what is asked.
    """

    decision: Decision
    comment: Annotated[str, Field(max_length=4000)] = ""
    values: dict[str, JsonValue] = Field(default_factory=dict)
    then: Rejection | None = None
    digest: Annotated[str, Field(max_length=128)] | None = None


class DecisionReply(ReplyModel):
    """*replayed*: the same actor had decided the same before; nothing was changed now."""

    id: str
    run_id: UUID
    step: str
    decision: Decision
    decided_by: str
    decided_at: datetime
    run_status: RunStatus
    replayed: bool
