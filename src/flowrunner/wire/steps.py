"""One step up close: its attempts, and what an agent said while it worked."""

from __future__ import annotations

from typing import Literal

from pydantic import JsonValue

from flowrunner.wire.base import ReplyModel
from flowrunner.wire.runs import Attempt, StepRow


def path_of_key(key: str) -> str:
    """Write a step's key as one part of a path, before it is percent-encoded.

    Keys of calls hold a slash, which proxies and routers take for a border: it becomes `~1`, and
    `~` becomes `~0`, as in a JSON pointer (RFC 6901).
    """
    return key.replace("~", "~0").replace("/", "~1")


def key_of_path(part: str) -> str:
    """Invert `path_of_key`."""
    return part.replace("~1", "/").replace("~0", "~")


class AttemptList(ReplyModel):
    """Oldest first. Attempts of earlier generations stay."""

    items: tuple[Attempt, ...]


class AttemptDetail(Attempt):
    """*prompt* is what the agent was given, whole; *record* how it was run: gate, version, tools.

    *partial* is what it had said before it failed. It is no answer, and nothing takes it for one.
    """

    step: str
    prompt: str | None
    record: JsonValue = None
    partial: str | None = None


class StepDetail(StepRow):
    """One step with its attempts; *output_bytes* is how long its output is, None without one."""

    output_bytes: int | None
    output_preview: str | None


class Chunk(ReplyModel):
    seq: int
    kind: Literal["text", "stderr", "system"]
    text: str


class TranscriptPage(ReplyModel):
    """What an attempt streamed, in order. *next_cursor* continues it, also while it grows.

    *ended*: the attempt is over and nothing follows this page.
    """

    step: str
    attempt: int
    items: tuple[Chunk, ...]
    next_cursor: int
    ended: bool
