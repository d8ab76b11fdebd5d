"""Workers as JSON, and what a registration is answered."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from flowrunner.wire.base import ReplyModel


class Worker(ReplyModel):
    """A process that holds leases; *held* counts them."""

    id: UUID
    name: str
    host: str
    pid: int
    queues: tuple[str, ...]
    slots: int
    held: int
    version: str
    started_at: datetime
    expires_at: datetime
    is_live: bool


class WorkerList(ReplyModel):
    items: tuple[Worker, ...]


class RegistrationReply(ReplyModel):
    """How long a lease lasts and how often to renew it, in seconds."""

    worker_id: UUID
    lease_seconds: float
    renew_seconds: float


class TranscriptReply(ReplyModel):
    """*kept* is false when the lease is gone: stop the agent, send nothing more."""

    kept: bool
