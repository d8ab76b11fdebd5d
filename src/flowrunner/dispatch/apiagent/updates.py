"""What is told while a prompt is answered, in the words of the Agent Client Protocol."""

from __future__ import annotations

import json
from collections.abc import Iterator

from pydantic_ai.messages import ToolCallPart, ToolReturnPart
from pydantic_ai.usage import RequestUsage, RunUsage

from flowrunner.dispatch.acp.messages import Json, section, text_at
from flowrunner.wire.tasks import shortened, storable

PIECE_CHARACTERS = 64 * 1024
"""A line of the protocol has an end, what a model says in one piece may not."""
_ARGUMENT_CHARACTERS = 16_000
_TITLE_CHARACTERS = 200
_KINDS = {"read": "read", "list": "search", "grep": "search"}
_ABOUT = ("path", "pattern", "glob")


def said(text: str, message_id: str) -> Iterator[Json]:
    for piece in _pieces(text):
        content = {"type": "text", "text": piece}
        yield {
            "sessionUpdate": "agent_message_chunk",
            "content": content,
            "messageId": message_id,
        }


def thought(text: str) -> Iterator[Json]:
    for piece in _pieces(text):
        content = {"type": "text", "text": piece}
        yield {"sessionUpdate": "agent_thought_chunk", "content": content}


def used(usage: RequestUsage) -> Json:
    """Tell what one request used, at its end: also a task that fails later has used it."""
    return {
        "sessionUpdate": "agent_message_chunk",
        "content": {"type": "text", "text": ""},
        "_meta": {"usage": tokens(usage)},
    }


def tokens(usage: RequestUsage | RunUsage) -> Json:
    return {
        "inputTokens": usage.input_tokens,
        "outputTokens": usage.output_tokens,
        "cachedReadTokens": usage.cache_read_tokens,
        "totalTokens": usage.input_tokens + usage.output_tokens,
    }


def tool_began(call_id: str, call: ToolCallPart) -> Json:
    arguments = _arguments(call)
    about = [text_at(arguments, name) for name in _ABOUT]
    kind = _KINDS.get(call.tool_name, "other")
    name = [] if kind == call.tool_name else [call.tool_name]
    title = " ".join([*name, *filter(None, about)])
    return {
        "sessionUpdate": "tool_call",
        "toolCallId": call_id,
        "title": shortened(title, _TITLE_CHARACTERS),
        "kind": kind,
        "status": "in_progress",
        "rawInput": arguments,
    }


def tool_ended(call_id: str, result: object) -> Json:
    is_good = isinstance(result, ToolReturnPart) and result.outcome == "success"
    text = result.model_response_str() if isinstance(result, ToolReturnPart) else str(result)
    return {
        "sessionUpdate": "tool_call_update",
        "toolCallId": call_id,
        "status": "completed" if is_good else "failed",
        "content": [{"type": "content", "content": {"type": "text", "text": storable(text)}}],
    }


def _pieces(text: str) -> Iterator[str]:
    for begin in range(0, len(text), PIECE_CHARACTERS):
        yield text[begin : begin + PIECE_CHARACTERS]


def _arguments(call: ToolCallPart) -> Json:
    """Return the arguments as an object, whatever the model wrote, and not more than is shown."""
    given = call.args_as_json_str()
    if len(given) > _ARGUMENT_CHARACTERS:
        return {"arguments": shortened(given, _ARGUMENT_CHARACTERS)}
    try:
        found: object = json.loads(given)
    except (ValueError, RecursionError):
        found = None
    return section(found) or {"arguments": given}
