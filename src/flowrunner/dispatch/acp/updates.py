"""An update of a session becomes events; what is not known is passed over, never an error."""

from __future__ import annotations

from typing import Any, cast

from flowrunner.dispatch.acp.events import (
    Event,
    Noted,
    Said,
    Thought,
    TokensTold,
    ToolStatus,
    ToolTold,
)
from flowrunner.dispatch.acp.messages import (
    Json,
    count_at,
    parts_at,
    section,
    text_at,
    written,
)
from flowrunner.wire.tasks import shortened

ARGUMENTS_CAP = 16_000
_STATUS: dict[str, ToolStatus] = {
    "pending": "running",
    "in_progress": "running",
    "completed": "completed",
    "failed": "failed",
    "cancelled": "failed",
}

_OWN_WORDS = frozenset({"information", "informational"})
_CACHED = (
    "cachedReadTokens",
    "cachedWriteTokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
)


def events_of(params: Json) -> list[Event]:
    """Read the parameters of `session/update`."""
    update = section(params.get("update"))
    match update.get("sessionUpdate"):
        case "agent_message_chunk":
            return [*_said(update), *_tokens(update)]
        case "agent_thought_chunk":
            thought = _text(update)
            return [*([Thought(thought)] if thought else []), *_tokens(update)]
        case "tool_call" | "tool_call_update":
            return _tool(update)
        case "plan":
            steps = [text_at(entry, "content") for entry in parts_at(update, "entries")]
            return [Noted("plan: " + "; ".join(step for step in steps if step))]
        case "current_mode_update":
            return [Noted(f"mode: {text_at(update, 'currentModeId', 'modeId')}")]
        case _:
            return []


def arguments_text(given: object) -> str:
    """Return a tool's arguments as JSON, cut where they are long (P11)."""
    if given is None or given in ({}, [], ""):
        return ""
    return shortened(written(given), ARGUMENTS_CAP)


def size_of(found: object) -> int:
    """Count the characters of text within *found*, which is as deep as JSON was."""
    waiting, size = [found], 0
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            size += len(part)
        elif isinstance(part, dict):
            waiting += cast("dict[str, Any]", part).values()
        elif isinstance(part, list):
            waiting += cast("list[object]", part)
    return size


def _said(update: Json) -> list[Event]:
    text = _text(update)
    if text and section(update, "_meta", "claudeCode").get("kind") in _OWN_WORDS:
        return [Noted(text)]  # The program's own words among the model's.
    return [Said(text, text_at(update, "messageId"))] if text else []


def _text(update: Json) -> str:
    content = section(update.get("content"))
    return text_at(content, "text") or text_at(section(content, "resource"), "text")


def _tokens(update: Json) -> list[Event]:
    usage = section(update, "_meta", "usage")
    if not usage:
        return []
    return [TokensTold(*tokens_of(usage))]


def tokens_of(usage: Json) -> tuple[int, int]:
    """Return input and output tokens; what was read from a cache is input too.

    Vendors differ in whether their input counts it, and agree on the total. Where there is none it
    is counted apart.
    """
    output = count_at(usage, "outputTokens", "output_tokens", "completion_tokens") or 0
    given = count_at(usage, "inputTokens", "input_tokens", "prompt_tokens") or 0
    total = count_at(usage, "totalTokens", "total_tokens")
    if total is not None:
        return max(given, total - output), output
    return given + sum(count_at(usage, name) or 0 for name in _CACHED), output


def _result_size(update: Json) -> int:
    results = [part.get("content") for part in parts_at(update, "content")]
    shown = section(update, "_meta", "terminal_output_delta").get("data")
    return size_of(results) or size_of(shown) or size_of(update.get("rawOutput"))


def _tool(update: Json) -> list[Event]:
    call_id = text_at(update, "toolCallId")
    status = _STATUS.get(text_at(update, "status"))
    size = None
    if status in {"completed", "failed"}:
        size = _result_size(update)
    told = ToolTold(
        call_id=call_id,
        title=text_at(update, "title"),
        kind=text_at(update, "kind"),
        status=status,
        arguments=arguments_text(update.get("rawInput")),
        size=size,
    )
    return [told] if call_id else []
