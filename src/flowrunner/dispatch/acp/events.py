"""What agents tell while they work, the same for every agent and dialect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

ToolStatus: TypeAlias = Literal["running", "completed", "failed"]


@dataclass(frozen=True, slots=True)
class Said:
    """A piece of the answer. Another *message_id* begins anew, such as after a broken stream."""

    text: str
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class Thought:
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolTold:
    """News of a tool call. Empty fields say nothing new; *size* counts the result's characters."""

    call_id: str
    title: str = ""
    kind: str = ""
    status: ToolStatus | None = None
    arguments: str = ""
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Denied:
    """A tool that was asked for and not allowed."""

    title: str
    kind: str
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class Noted:
    """Worth keeping, but no part of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class TokensTold:
    """Usage of one model call, to be added up."""

    input_tokens: int
    output_tokens: int


Event: TypeAlias = Said | Thought | ToolTold | Denied | Noted | TokensTold
