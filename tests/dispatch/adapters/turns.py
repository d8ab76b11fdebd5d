"""Turns as values: what agents said, without any agent."""

from __future__ import annotations

import json
from typing import Any

from flowrunner.dispatch.acp.framing import Line
from flowrunner.dispatch.acp.messages import Refusal
from flowrunner.dispatch.acp.recording import Recorder
from flowrunner.dispatch.acp.turn import Turn
from flowrunner.dispatch.acp.updates import events_of
from flowrunner.dispatch.adapters.streamjson import StreamTalk
from flowrunner.dispatch.adapters.table import ADAPTERS
from flowrunner.dispatch.process import Ended

ENDED = Ended(cause="ended", exit_code=0, seconds=1.5)


def a_turn(agent: str, *told: dict[str, Any] | str, **given: Any) -> Turn:
    """A turn of *agent* in which it *told* updates, or texts; it answered unless *given* says no."""
    recorder = Recorder(lambda _piece: None, 10_000, ADAPTERS[agent].notices)
    for update in told:
        found = (
            {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": update}}
            if isinstance(update, str)
            else update
        )
        for event in events_of({"update": found}):
            recorder.take(event, 0.0)
    defaults: dict[str, Any] = {"ended": ENDED, "stage": "answered"}
    return Turn(recorder=recorder, **{**defaults, **given})


def refused(code: int, message: str, detail: str = "") -> dict[str, Any]:
    return {"stage": "asking", "refusal": Refusal(4, code, message, detail)}


def ended_well(**more: Any) -> dict[str, Any]:
    return {"reply": {"stopReason": "end_turn", **more}}


def a_headless_turn(agent: str, *lines: dict[str, Any], ended: Ended = ENDED) -> Turn:
    """A turn in the headless dialect."""
    talk = StreamTalk(Recorder(lambda _piece: None, 10_000, ADAPTERS[agent].notices), lambda: 0.0)
    for line in lines:
        talk.heard(Line(json.dumps(line).encode()))
    return talk.turn(ended, None)


def a_result(**given: Any) -> dict[str, Any]:
    return {"type": "result", "subtype": "success", "is_error": False, **given}
