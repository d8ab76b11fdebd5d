"""The headless dialect, line by line, as qwen and claude were seen to speak it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.adapters.turns import ENDED, a_result
from flowrunner.dispatch.acp.framing import Line
from flowrunner.dispatch.acp.recording import Piece, Recorder
from flowrunner.dispatch.adapters.streamjson import StreamTalk, events_of


def delta(**given: Any) -> dict[str, Any]:
    event = {"type": "content_block_delta", "index": 0, "delta": given}
    return {"type": "stream_event", "parent_tool_use_id": None, "event": event}


def message(role: str, *content: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": role, "message": {"role": role, "content": list(content)}, **more}


USE = {"type": "tool_use", "id": "t", "name": "Read", "input": {"file_path": "a.py"}}
RESULT = {"type": "tool_result", "tool_use_id": "t", "content": "12345"}


def heard(*lines: dict[str, Any] | bytes) -> tuple[StreamTalk, list[Piece]]:
    pieces: list[Piece] = []
    times = iter(range(1000))
    talk = StreamTalk(Recorder(pieces.append, 1000), lambda: float(next(times)))
    for line in lines:
        talk.heard(Line(line if isinstance(line, bytes) else json.dumps(line).encode()))
    return talk, pieces


def test_a_turn() -> None:
    """R2-33: pieces of text, thoughts, a tool with arguments, size and time, and the answer."""
    talk, pieces = heard(
        {"type": "system", "subtype": "init", "tools": ["Read"], "claude_code_version": "2.1"},
        delta(type="thinking_delta", thinking="hm"),
        delta(type="text_delta", text="I look."),
        delta(type="input_json_delta", partial_json="{"),
        message("assistant", {"type": "text", "text": "I look."}, USE),
        message("user", RESULT),
        delta(type="text_delta", text="All well."),
        message("assistant", {"type": "text", "text": "All well."}),
        a_result(result="All well."),
    )
    turn = talk.turn(ENDED, None)

    assert [(piece.kind, piece.text) for piece in pieces] == [
        ("thought", "hm"),
        ("text", "I look."),
        ("tool", 'running read Read {"file_path": "a.py"}'),
        ("tool", 'completed read Read {"file_path": "a.py"} [1 s, 5 characters]'),
        ("text", "All well."),
    ]
    assert (turn.stage, turn.agent_version) == ("answered", "2.1")
    assert turn.recorder.answer().text == "All well."


def test_a_tool_that_failed() -> None:
    """R2-33: also what another program refused."""
    _, pieces = heard(message("assistant", USE), message("user", {**RESULT, "is_error": True}))

    assert pieces[-1].text.startswith("failed read Read")


def test_retries_are_told() -> None:
    """P11: why nothing comes for a while stands in the transcript."""
    told = {"type": "system", "subtype": "api_retry", "error": "rate_limit", "error_status": 429}
    other = {"type": "system", "subtype": "retry", "data": {"attempt": 2}}
    _, pieces = heard(told, other)

    assert pieces == [
        Piece("notice", "retry: rate_limit 429"),
        Piece("notice", 'retry: {"attempt": 2}'),
    ]


def test_what_a_subagent_says_is_no_answer() -> None:
    """P9: it speaks to its agent, not to us."""
    talk, pieces = heard({**delta(type="text_delta", text="psst"), "parent_tool_use_id": "t"})

    assert (pieces, talk.recorder.answer().text) == ([], "")


def test_noise_is_kept() -> None:
    """P11: warnings of a runtime on stdout, half a line, a line that is too long."""
    talk, pieces = heard(b"Warning: old Node\xff", b'{"type":', b"[1]")
    talk.heard(Line(b'{"type":"assistant"', 4000))

    assert [piece.kind for piece in pieces] == ["notice"] * 4
    assert "Warning: old Node" in pieces[0].text
    assert "4000 more bytes" in pieces[-1].text


@pytest.mark.anyio
async def test_it_is_over_with_its_result_or_its_end() -> None:
    """P11: nobody waits for a program that has said its last, or has gone."""
    talk, _ = heard(a_result(result="x"))
    await asyncio.wait_for(talk.run(), 5)

    talk, _ = heard()
    assert not talk.cancel()
    talk.lost()
    await asyncio.wait_for(talk.run(), 5)
    assert talk.turn(ENDED, None).stage == "asking"


@given(
    st.sampled_from(["stream_event", "assistant", "user", "system", "result", "x"]),
    st.sampled_from(["event", "message", "subtype", "permission_denials", "content"]),
    st.recursive(
        st.none() | st.integers() | st.text(max_size=4),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
        max_leaves=8,
    ),
)
def test_no_line_raises(kind: str, name: str, value: object) -> None:
    """P11: whatever stands where."""
    assert isinstance(events_of({"type": kind, name: value}), list)
