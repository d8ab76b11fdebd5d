"""One prompt to one agent: greet it, open a session, choose the mode, ask, and hear it out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from flowrunner.dispatch.acp.connection import Connection
from flowrunner.dispatch.acp.events import Denied, Noted
from flowrunner.dispatch.acp.messages import NOTHING, Json, Noise, section, text_at
from flowrunner.dispatch.acp.permissions import asked, decide
from flowrunner.dispatch.acp.recording import Recorder
from flowrunner.dispatch.acp.updates import events_of

Stage: TypeAlias = Literal["greeting", "opening", "choosing", "asking", "answered"]
_PROTOCOL = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a session begins with. *meta* goes to `session/new` as its `_meta`."""

    cwd: str
    prompt: str
    mode: str | None = None
    meta: Json = field(default_factory=lambda: NOTHING)


class Session:
    """Plays an opening over its connection."""

    def __init__(self, recorder: Recorder, clock: Callable[[], float] = time.monotonic) -> None:
        self.connection = Connection(self._answer, self._noticed, self._noise)
        self.stage: Stage = "greeting"
        self.agent_name = ""
        self.agent_version = ""
        self._recorder = recorder
        self._clock = clock
        self._id = ""

    async def play(self, opening: Opening) -> Json:
        """Return the answer to the prompt. Raise RefusedError or LostError; *stage* says where."""
        hello = await self.connection.request("initialize", _GREETING)
        told = section(hello.get("agentInfo"))
        self.agent_name, self.agent_version = text_at(told, "name"), text_at(told, "version")
        self.stage = "opening"
        meta = {"_meta": opening.meta} if opening.meta else NOTHING
        place: Json = {"cwd": opening.cwd, "mcpServers": [], **meta}
        self._id = text_at(await self.connection.request("session/new", place), "sessionId")
        here = {"sessionId": self._id}
        self.stage = "choosing"
        if opening.mode is not None:
            chosen = {**here, "modeId": opening.mode}
            await self.connection.request("session/set_mode", chosen)
        self.stage = "asking"
        prompt = [{"type": "text", "text": opening.prompt}]
        answer = await self.connection.request("session/prompt", {**here, "prompt": prompt})
        self.stage = "answered"
        return answer

    def cancel(self) -> bool:
        """Ask it to stop answering; False when nothing was asked, and there is nothing to stop."""
        if self.stage == "asking":
            self.connection.notify("session/cancel", {"sessionId": self._id})
        return self.stage == "asking"

    def _answer(self, method: str, params: Json) -> Json | None:
        if method != "session/request_permission":
            self._recorder.take(Noted(f"asked for {method}: not offered"), self._clock())
            return None
        call, options = asked(params)
        call_id = text_at(call, "toolCallId")
        known = self._recorder.tools.get(call_id)
        kind = text_at(call, "kind") or (known.kind if known else "")
        is_allowed, answer = decide(kind, call, options)
        if not is_allowed:
            title = text_at(call, "title") or (known.title if known else "")
            self._recorder.take(Denied(title or "a tool", kind, call_id), self._clock())
        return answer

    def _noticed(self, method: str, params: Json) -> None:
        if method == "session/update":
            for event in events_of(params):
                self._recorder.take(event, self._clock())

    def _noise(self, noise: Noise) -> None:
        cut = f" [flowrunner: line cut, {noise.dropped_bytes} more bytes]"
        told = noise.text + (cut if noise.dropped_bytes else "")
        self._recorder.take(Noted(f"not understood: {told}"), self._clock())


_GREETING: Json = {
    "protocolVersion": _PROTOCOL,
    "clientCapabilities": {
        "fs": {"readTextFile": False, "writeTextFile": False},
        "terminal": False,
    },
    "clientInfo": {"name": "flowrunner", "version": "1"},
}
