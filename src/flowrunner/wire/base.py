"""What every message has in common: requests refuse what they do not know, replies tolerate it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class RequestModel(BaseModel):
    """What a caller sends; a misspelt field is an error and not ignored (P11)."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ReplyModel(BaseModel):
    """What we answer; a newer server may say more than an older client knows."""

    model_config = ConfigDict(frozen=True, extra="ignore")
