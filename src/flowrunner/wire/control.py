"""What a run is told to do, and what became of it: all of it may be repeated."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeAlias
from uuid import UUID

from pydantic import Field

from flowrunner.wire.base import ReplyModel, RequestModel
from flowrunner.wire.runs import RunStatus, StepStatus

ACTOR_HEADER = "X-Flowrunner-Actor"
"""Who acts, on a server that only this machine's user can reach; beside a token it is a remark."""
ACTOR = r"^[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}$"

Reason: TypeAlias = Annotated[str, Field(max_length=1000)]


class ReasonBody(RequestModel):
    """Why; it is kept with the event, for whoever asks later."""

    reason: Reason = ""


class RetryBody(RequestModel):
    """*from_step*: begin anew there and with all that follows; without it, with all that failed."""

    from_step: Annotated[str, Field(min_length=1, max_length=400)] | None = None
    reason: Reason = ""


class ControlReply(ReplyModel):
    """Who brought the run here, and when. *changed* is false when it had been so before."""

    id: UUID
    status: RunStatus
    changed: bool
    actor: str
    at: datetime


class RetryReply(ControlReply):
    """*generation* counts how often the run began: earlier attempts stay readable."""

    generation: int


class StopReply(ReplyModel):
    """*changed* is false when the step had been stopped before."""

    id: UUID
    step: str
    status: StepStatus
    run_status: RunStatus
    changed: bool
    actor: str
    at: datetime
