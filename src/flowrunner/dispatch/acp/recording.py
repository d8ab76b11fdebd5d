"""Events become a transcript as they come, and a turn at the end."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from flowrunner.dispatch.acp.events import (
    Denied,
    Event,
    Noted,
    Said,
    Thought,
    TokensTold,
    ToolStatus,
    ToolTold,
)
from flowrunner.dispatch.capture import Captured
from flowrunner.wire.tasks import REPLACEMENT, shortened

PieceKind: TypeAlias = Literal["text", "thought", "tool", "denial", "notice"]
_TITLE_CHARACTERS = 300
_NOTICE_CHARACTERS = 2000
_TOOLS_KEPT = 2000


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of transcript. Pieces of text and thought join their neighbours; others are lines."""

    kind: PieceKind
    text: str


OnPiece: TypeAlias = Callable[[Piece], None]


@dataclass(frozen=True, slots=True)
class Tokens:
    input_tokens: int
    output_tokens: int


@dataclass(slots=True)
class ToolUse:
    """One tool call; *size* counts the characters of its result, None where none was told."""

    call_id: str
    started_at: float
    title: str = ""
    kind: str = ""
    status: ToolStatus = "running"
    arguments: str = ""
    size: int | None = None
    seconds: float | None = None


@dataclass(slots=True)
class Group:
    """One message, or what was said of it since the last tool call."""

    message_id: str = ""
    text: str = ""
    dropped: int = 0


@dataclass(slots=True)
class Recorder:
    """Takes events; *notices* are what an agent says in its own name, not the model's."""

    on_piece: OnPiece
    cap: int
    notices: Sequence[re.Pattern[str]] = ()
    tools: dict[str, ToolUse] = field(default_factory=dict[str, ToolUse])
    denials: list[Denied] = field(default_factory=list[Denied])
    told_tokens: Tokens | None = None
    untold_tools: int = 0
    _running: set[str] = field(default_factory=set[str])
    _group: Group = field(default_factory=Group)
    _last: Group = field(default_factory=Group)

    def take(self, event: Event, now: float) -> None:
        """Record *event*, heard at *now* (monotonic seconds)."""
        match event:
            case Said():
                self._running.clear()
                self._say(event)
            case Thought():
                self._running.clear()
                self.on_piece(Piece("thought", event.text))
            case ToolTold():
                self._tool(event, now)
            case Denied():
                self._deny(event, now)
            case Noted():
                self.on_piece(Piece("notice", shortened(event.text, _NOTICE_CHARACTERS)))
            case TokensTold():
                self._count(event)

    def is_tool_running(self) -> bool:
        """Whether silence is no sign of anything (F31).

        Who speaks has what its tools found, whether it said that they ended or not.
        """
        return bool(self._running)

    def answer(self) -> Captured:
        """What was said last, after the last tool call if anything was; no notices before it."""
        group = self._group if self._group.text.strip() else self._last
        text = group.text
        while found := next(filter(None, (notice.match(text) for notice in self.notices)), None):
            text = text[found.end() :]
        return Captured(text.strip(), group.dropped, text.count(REPLACEMENT))

    def _say(self, said: Said) -> None:
        if any(notice.fullmatch(said.text) for notice in self.notices):
            self.on_piece(Piece("notice", shortened(said.text.strip(), _NOTICE_CHARACTERS)))
            return
        self.on_piece(Piece("text", said.text))
        if said.message_id != self._group.message_id:
            self._part(said.message_id)
        kept = said.text[: max(0, self.cap - len(self._group.text))]
        self._group.text += kept
        self._group.dropped += len(said.text[len(kept) :].encode("utf-8", errors="replace"))

    def _tool(self, event: ToolTold, now: float) -> None:
        tool = self.tools.get(event.call_id)
        if tool is None:
            if len(self.tools) >= _TOOLS_KEPT:
                self.untold_tools += 1
                return
            tool = self.tools[event.call_id] = ToolUse(event.call_id, now)
            self._part()
        before = (tool.title, tool.arguments, tool.status)
        tool.title = shortened(event.title, _TITLE_CHARACTERS) or tool.title
        tool.kind = event.kind or tool.kind
        tool.arguments = event.arguments or tool.arguments
        tool.status = event.status or tool.status
        if event.size is not None:
            tool.size = event.size
        if tool.status != "running" and tool.seconds is None:
            tool.seconds = round(now - tool.started_at, 3)
        if tool.status == "running":
            self._running.add(event.call_id)
        else:
            self._running.discard(event.call_id)
        if before != (tool.title, tool.arguments, tool.status):
            self.on_piece(Piece("tool", tool_line(tool)))

    def _deny(self, event: Denied, now: float) -> None:
        self.denials.append(event)
        told = f"{event.kind or 'tool'} denied (read-only): {event.title}"
        self.on_piece(Piece("denial", shortened(told, _NOTICE_CHARACTERS)))
        if event.call_id in self.tools:
            self._tool(ToolTold(call_id=event.call_id, status="failed"), now)

    def _part(self, message_id: str = "") -> None:
        """What was said before is not the end of the answer, if anything follows."""
        if self._group.text.strip():
            self._last = self._group
        self._group = Group(message_id)

    def _count(self, event: TokensTold) -> None:
        known = self.told_tokens or Tokens(0, 0)
        self.told_tokens = Tokens(
            known.input_tokens + event.input_tokens, known.output_tokens + event.output_tokens
        )


def tool_line(tool: ToolUse) -> str:
    """Say on one line what is known of a tool call."""
    told = f"{tool.status} {tool.kind or 'tool'} {tool.title or tool.call_id}"
    if tool.arguments:
        told += f" {tool.arguments}"
    if tool.seconds is not None:
        told += f" [{tool.seconds:g} s, {tool.size or 0} characters]"
    return " ".join(told.splitlines())
