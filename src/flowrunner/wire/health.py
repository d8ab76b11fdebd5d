"""Whether this process is alive, whether it may be given work, and what it is."""

from __future__ import annotations

from flowrunner.wire.base import ReplyModel


class Live(ReplyModel):
    status: str = "live"


class Check(ReplyModel):
    name: str
    ok: bool
    detail: str = ""


class Health(ReplyModel):
    """*ready* only if every check passes and the process is not being stopped."""

    ready: bool
    checks: tuple[Check, ...] = ()


class Version(ReplyModel):
    version: str
    api: str = "v1"
