"""Events as doors show them: numbered per run without a gap, steps by number, key and label."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from flowrunner.wire.base import ReplyModel

ENDS = frozenset({"run.completed", "run.failed", "run.cancelled"})
"""With one of these a run ends; a retry lets it go on."""
LAST = frozenset({*ENDS, "run.rendered"})
"""What may stand last in the log of a run that has ended."""


class RosterStep(ReplyModel):
    """One step of the flow as `run.started` tells it; *excluded* is the reason, if it is."""

    step_no: int
    key: str
    label: str
    kind: str
    persona: str | None = None
    needs: tuple[str, ...] = ()
    phase: str | None = None
    excluded: str | None = None


class Event(ReplyModel):
    """`run.started` holds the roster of all steps in `data.steps` (R2-10, D2-09)."""

    seq: int
    run_id: UUID
    type: str
    at: datetime
    step_no: int | None = None
    key: str | None = None
    label: str | None = None
    data: dict[str, Any] = Field(default_factory=dict)


class EventPage(ReplyModel):
    """*next_after* continues the page; *ended*: nothing will ever follow it."""

    items: tuple[Event, ...]
    next_after: int
    ended: bool
