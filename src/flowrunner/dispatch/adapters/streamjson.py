"""The headless dialect of Claude Code, which Qwen Code shares: a line of JSON for each thing told.

The prompt is on stdin; the last line, of type `result`, says how it went.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import cast

from flowrunner.dispatch.acp.events import Denied, Event, Noted, Said, Thought, ToolTold
from flowrunner.dispatch.acp.framing import Line
from flowrunner.dispatch.acp.messages import NOTHING, Json, parts_at, section, text_at, written
from flowrunner.dispatch.acp.recording import Recorder
from flowrunner.dispatch.acp.turn import Turn, Why
from flowrunner.dispatch.acp.updates import arguments_text, size_of
from flowrunner.dispatch.process import Ended
from flowrunner.wire.tasks import storable

_KINDS = {
    "read_file": "read",
    "Read": "read",
    "Glob": "search",
    "glob": "search",
    "Grep": "search",
    "grep_search": "search",
    "Write": "edit",
    "write_file": "edit",
    "Edit": "edit",
    "edit": "edit",
    "Bash": "execute",
    "run_shell_command": "execute",
}


class StreamTalk:
    """Hears an agent out that was told everything at its start."""

    outbox: asyncio.Queue[bytes] | None = None

    def __init__(self, recorder: Recorder, clock: Callable[[], float] = time.monotonic) -> None:
        self.recorder = recorder
        self._clock = clock
        self._over = asyncio.Event()
        self._result: Json = NOTHING
        self._version = ""

    def heard(self, line: Line) -> None:
        told = _parsed(line)
        if told is None:
            text = line.body[:500].decode("utf-8", errors="replace")
            cut = f" [flowrunner: line cut, {line.dropped_bytes} more bytes]"
            noted = f"not understood: {text}" + (cut if line.dropped_bytes else "")
            self.recorder.take(Noted(storable(noted)), self._clock())
            return
        if told.get("type") == "result":
            self._result = told
            self._over.set()
        self._version = text_at(told, "claude_code_version", "qwen_code_version") or self._version
        for event in events_of(told):
            self.recorder.take(event, self._clock())

    def lost(self) -> None:
        self._over.set()

    def cancel(self) -> bool:
        return False

    async def run(self) -> None:
        await self._over.wait()

    def turn(self, ended: Ended, why: Why | None) -> Turn:
        return Turn(
            ended=ended,
            recorder=self.recorder,
            why=why,
            stage="answered" if self._result else "asking",
            reply=self._result,
            agent_version=self._version,
        )


def events_of(told: Json) -> list[Event]:
    """Read one line. Of what a subagent says nothing is part of the answer."""
    if told.get("parent_tool_use_id"):
        return []
    match told.get("type"):
        case "stream_event":
            return _delta(section(told.get("event")))
        case "assistant":
            return _calls(section(told.get("message")))
        case "user":
            return _results(section(told.get("message")))
        case "system":
            return _system(told)
        case "result":
            return [
                Denied(text_at(denial, "tool_name") or "a tool", _kind(denial, "tool_name"))
                for denial in parts_at(told, "permission_denials")
            ]
        case _:
            return []


def _delta(event: Json) -> list[Event]:
    if event.get("type") != "content_block_delta":
        return []
    delta = section(event.get("delta"))
    if text := text_at(delta, "text"):
        return [Said(text)]
    thought = text_at(delta, "thinking")
    return [Thought(thought)] if thought else []


def _calls(message: Json) -> list[Event]:
    """Return the tool calls; the text of the message has come in pieces already."""
    return [
        ToolTold(
            call_id=text_at(part, "id"),
            title=text_at(part, "name"),
            kind=_kind(part, "name"),
            status="running",
            arguments=arguments_text(part.get("input")),
        )
        for part in parts_at(message, "content")
        if part.get("type") == "tool_use"
    ]


def _results(message: Json) -> list[Event]:
    return [
        ToolTold(
            call_id=text_at(part, "tool_use_id"),
            status="failed" if part.get("is_error") is True else "completed",
            size=size_of(part.get("content")),
        )
        for part in parts_at(message, "content")
        if part.get("type") == "tool_result"
    ]


def _system(told: Json) -> list[Event]:
    match told.get("subtype"):
        case "api_retry":
            return [Noted(f"retry: {text_at(told, 'error')} {told.get('error_status') or ''}")]
        case "retry":
            return [Noted(f"retry: {written(told.get('data'))}")]
        case _:
            return []


def _kind(part: Json, name: str) -> str:
    return _KINDS.get(text_at(part, name), "other")


def _parsed(line: Line) -> Json | None:
    if line.dropped_bytes:
        return None
    try:
        told: object = json.loads(line.body)
    except (ValueError, RecursionError):
        return None
    return cast("Json", told) if isinstance(told, dict) else None
