"""Updates become events, and events a transcript, tools with their times, and an answer."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.dispatch.acp.events import Denied, Event, Noted, Said, Thought, TokensTold, ToolTold
from flowrunner.dispatch.acp.recording import Piece, Recorder, Tokens, tool_line
from flowrunner.dispatch.acp.updates import ARGUMENTS_CAP, events_of, tokens_of


def a_recorder(cap: int = 1000, *notices: str) -> tuple[Recorder, list[Piece]]:
    pieces: list[Piece] = []
    return Recorder(pieces.append, cap, [re.compile(notice) for notice in notices]), pieces


def update(**given: Any) -> list[Event]:
    return events_of({"sessionId": "s", "update": given})


def chunk(text: str, **more: Any) -> list[Event]:
    content = {"type": "text", "text": text}
    return update(sessionUpdate="agent_message_chunk", content=content, **more)


DIFF = {"content": [{"type": "diff", "newText": "12345"}, {"content": {"text": "abc"}}]}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"sessionUpdate": "agent_thought_chunk", "content": {"text": "hm"}}, [Thought("hm")]),
        (
            {"sessionUpdate": "agent_message_chunk", "content": {"text": "hi"}, "messageId": "m"},
            [Said("hi", "m")],
        ),
        (
            {
                "sessionUpdate": "agent_message_chunk",
                "content": {"text": ""},
                "_meta": {"usage": {"inputTokens": 10, "outputTokens": 2, "totalTokens": 12}},
            },
            [TokensTold(10, 2)],
        ),
        (
            {
                "sessionUpdate": "agent_message_chunk",
                "content": {"text": "By the way"},
                "_meta": {"claudeCode": {"kind": "informational"}},
            },
            [Noted("By the way")],
        ),
        (
            {"sessionUpdate": "plan", "entries": [{"content": "look"}, {"content": "tell"}, 7]},
            [Noted("plan: look; tell")],
        ),
        ({"sessionUpdate": "current_mode_update", "currentModeId": "plan"}, [Noted("mode: plan")]),
        ({"sessionUpdate": "tool_call", "title": "without an id"}, []),
        ({"sessionUpdate": "usage_update", "used": 3}, []),
        ({"sessionUpdate": "never heard of", "content": [1]}, []),
        ({}, []),
    ],
)
def test_an_update_is_read(given: dict[str, Any], expected: list[Event]) -> None:
    """F49, R2-33: text, thoughts, plans, modes and tokens; what is not known is passed over."""
    assert events_of({"update": given}) == expected


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
        max_leaves=12,
    ),
    st.sampled_from(["agent_message_chunk", "tool_call", "tool_call_update", "plan", "x"]),
    st.sampled_from(["content", "entries", "rawInput", "rawOutput", "status", "_meta", "title"]),
)
def test_no_update_raises(value: object, kind: str, name: str) -> None:
    """P11: vendors move; whatever stands where, the conversation goes on."""
    recorder, _ = a_recorder()
    for event in events_of({"update": {"sessionUpdate": kind, "toolCallId": "t", name: value}}):
        recorder.take(event, 0.0)


def test_a_tool_is_told_with_arguments_size_and_time() -> None:
    """R2-33: what it was called with, how much came back, how long it took."""
    recorder, pieces = a_recorder()
    told = [
        update(sessionUpdate="tool_call", toolCallId="t", title="Read", kind="read", status="pending"),
        update(sessionUpdate="tool_call_update", toolCallId="t", rawInput={"path": "a.py"}),
        update(sessionUpdate="tool_call_update", toolCallId="t", status="in_progress"),
        update(sessionUpdate="tool_call_update", toolCallId="t", status="completed", **DIFF),
    ]  # fmt: skip
    for second, events in enumerate(told):
        for event in events:
            recorder.take(event, float(second))
        assert recorder.is_tool_running() is (second < 3)

    assert [piece.text for piece in pieces] == [
        "running read Read",
        'running read Read {"path": "a.py"}',
        'completed read Read {"path": "a.py"} [3 s, 3 characters]',
    ]


@pytest.mark.parametrize(
    ("given", "size"),
    [
        ({"rawOutput": {"content": "four"}}, 4),
        ({"_meta": {"terminal_output_delta": {"data": "12345"}}, "rawOutput": {"exit_code": 0}}, 5),
        ({"content": [{"content": {"type": "", "text": "abc"}}], "rawOutput": "other"}, 3),
        ({}, 0),
    ],
)
def test_the_size_of_a_result_stands_in_many_places(given: dict[str, Any], size: int) -> None:
    """R2-33: in the content, beside it, or in what a terminal showed."""
    (event,) = update(sessionUpdate="tool_call_update", toolCallId="t", status="failed", **given)

    assert isinstance(event, ToolTold)
    assert event.size == size


def test_long_arguments_are_cut_with_a_mark() -> None:
    """P11: a file that was to be written is not a transcript."""
    (event,) = update(sessionUpdate="tool_call", toolCallId="t", rawInput={"content": "x" * 99_999})

    assert isinstance(event, ToolTold)
    assert len(event.arguments) <= ARGUMENTS_CAP
    assert "more characters]" in event.arguments


def test_the_answer_is_what_comes_last() -> None:
    """P9: what was said on the way is transcript, and no part of the answer."""
    recorder, pieces = a_recorder()
    for event in [*chunk("I will look. "), ToolTold(call_id="t"), *chunk("All "), *chunk("well.")]:
        recorder.take(event, 0.0)

    assert recorder.answer().text == "All well."
    assert "".join(piece.text for piece in pieces if piece.kind == "text") == (
        "I will look. All well."
    )


def test_a_tool_at_the_very_end_takes_nothing_away() -> None:
    """Some tick off their list after the answer: it stays the answer."""
    recorder, _ = a_recorder()
    for event in [*chunk("All well."), ToolTold(call_id="t"), *chunk(" \n")]:
        recorder.take(event, 0.0)

    assert recorder.answer().text == "All well."


def test_a_message_that_broke_off_is_replaced() -> None:
    """P9: after a broken stream the same is said again under another id; once is enough."""
    recorder, _ = a_recorder()
    for event in [*chunk("All is", messageId="1"), *chunk("All is well.", messageId="2")]:
        recorder.take(event, 0.0)

    assert recorder.answer().text == "All is well."


def test_a_long_answer_is_cut_and_counted() -> None:
    """P11: the part that is not kept is counted in bytes."""
    recorder, pieces = a_recorder(10)
    for event in [*chunk("0123456"), *chunk("789ää"), *chunk("more")]:
        recorder.take(event, 0.0)

    assert recorder.answer().marked() == (
        "0123456789\n[flowrunner: output truncated, 8 more bytes]"
    )
    assert "".join(piece.text for piece in pieces).endswith("äämore")


def test_the_programs_own_words_are_no_answer() -> None:
    """P9: a notice alone is an empty answer; among others it is left out."""
    recorder, pieces = a_recorder(1000, r"\[MODE\] \w+\s*", r"Warning: [^\n]*\s*")
    for event in chunk("[MODE] plan"):
        recorder.take(event, 0.0)
    assert recorder.answer().text == ""

    for event in chunk("Warning: old.\nAll well."):
        recorder.take(event, 0.0)
    assert recorder.answer().text == "All well."
    assert pieces[0] == Piece("notice", "[MODE] plan")


def test_denials_are_kept() -> None:
    """P8, F54: what was asked for and refused is evidence."""
    recorder, pieces = a_recorder()
    recorder.take(Denied("rm -rf /", "execute"), 0.0)

    assert recorder.denials == [Denied("rm -rf /", "execute")]
    assert pieces == [Piece("denial", "execute denied (read-only): rm -rf /")]


def test_what_is_denied_does_not_run() -> None:
    """F31: nobody may ever say how it ended."""
    recorder, pieces = a_recorder()
    recorder.take(ToolTold(call_id="t", title="Edit", kind="edit", status="running"), 1.0)
    recorder.take(Denied("Edit", "edit", "t"), 3.5)

    assert not recorder.is_tool_running()
    assert pieces[-1].text == "failed edit Edit [2.5 s, 0 characters]"


@pytest.mark.parametrize("event", [Said("so"), Thought("so")])
def test_who_speaks_waits_for_no_tool(event: Event) -> None:
    """F31: a tool whose end is never told does not switch the watch off for ever."""
    recorder, _ = a_recorder()
    recorder.take(ToolTold(call_id="t", status="running"), 0.0)
    assert recorder.is_tool_running()

    recorder.take(event, 1.0)
    assert not recorder.is_tool_running()


def test_tools_without_end_are_counted() -> None:
    """P11: a few thousand are kept, and the others counted."""
    recorder, _ = a_recorder()
    for number in range(2010):
        recorder.take(ToolTold(call_id=str(number), status="completed"), 0.0)

    assert (len(recorder.tools), recorder.untold_tools) == (2000, 10)


def test_tokens_add_up() -> None:
    """F49: one report per model call."""
    recorder, _ = a_recorder()
    assert recorder.told_tokens is None
    for event in (TokensTold(10, 1), TokensTold(20, 2)):
        recorder.take(event, 0.0)

    assert recorder.told_tokens == Tokens(30, 3)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"inputTokens": 1000, "outputTokens": 20, "totalTokens": 1020, "cachedReadTokens": 500}, (1000, 20)),
        ({"inputTokens": 1100, "cachedReadTokens": 1000, "outputTokens": 40, "totalTokens": 2140}, (2100, 40)),
        ({"input_tokens": 1800, "cache_read_input_tokens": 1500, "cache_creation_input_tokens": 30, "output_tokens": 60}, (3330, 60)),
        ({"input_tokens": 3300, "output_tokens": 60, "cache_read_input_tokens": 1500, "total_tokens": 3360}, (3300, 60)),
        ({"input_tokens": "many", "output_tokens": -1}, (0, 0)),
        ({}, (0, 0)),
    ],
    ids=["qwen", "codex", "claude headless", "qwen headless", "nonsense", "nothing"],
)  # fmt: skip
def test_what_was_read_from_a_cache_is_input(usage: Any, expected: tuple[int, int]) -> None:
    """F49: vendors disagree whether input counts the cache; the sum is the same for all."""
    assert tokens_of(usage) == expected


def test_a_line_is_a_line() -> None:
    """A title of several lines cannot pretend to be a piece of its own."""
    recorder, _ = a_recorder()
    recorder.take(ToolTold(call_id="t", title="a\n[denial] b", kind="read"), 0.0)

    assert tool_line(recorder.tools["t"]) == "running read a [denial] b"
