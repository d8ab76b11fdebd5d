"""Whole conversations with programs that behave as agents do, and as none should."""

from __future__ import annotations

import errno
import json
import os
import resource
from dataclasses import replace
from pathlib import Path

import pytest

from dispatch.acp.peers import LIMITS, QUICK, a_peer, converse
from dispatch.tasks import a_room
from flowrunner.dispatch.acp.driving import Drive
from flowrunner.dispatch.acp.events import Denied
from flowrunner.dispatch.acp.recording import Recorder
from flowrunner.dispatch.acp.session import Opening
from flowrunner.dispatch.acp.turn import AcpTalk

pytestmark = pytest.mark.anyio


async def test_a_conversation(tmp_path: Path) -> None:
    """R2-33: greeting, session, prompt, streamed text, thoughts, a tool, and the end."""
    heard = await converse(
        """
asked = prompted()
update(sessionUpdate="agent_thought_chunk", content={"text": "hm"})
update(sessionUpdate="tool_call", toolCallId="1", title="Read", kind="read", status="pending")
update(sessionUpdate="tool_call_update", toolCallId="1", status="completed", rawOutput="abc")
say("All "); say("well.")
end(asked, usage={"inputTokens": 3, "outputTokens": 2})
""",
        tmp_path,
    )

    turn = heard.turn
    assert (turn.stage, turn.why, heard.answer) == ("answered", None, "All well.")
    assert turn.reply["usage"] == {"inputTokens": 3, "outputTokens": 2}
    assert (turn.agent_name, turn.agent_version) == ("peer", "1.2.3")
    assert (turn.ended.cause, turn.ended.exit_code) == ("ended", 0)
    assert (heard.told("thought"), "3 characters" in heard.told("tool")) == ("hm", True)


async def test_what_it_is_told(tmp_path: Path) -> None:
    """P8: no file system, no terminal, no servers of ours; the mode before the prompt."""
    opening = Opening(cwd="/p", prompt="Look", mode="plan", meta={"tools": ["Read"]})
    heard = await converse(
        """
told = [hear()]; tell(id=told[0]["id"], result={})
told += [open_session()]
told += [hear()]; tell(id=told[2]["id"], result={})
told += [hear()]; say(json.dumps([t["params"] for t in told])); end(told[3])
""",
        tmp_path,
        opening=opening,
    )

    hello, new, mode, prompt = json.loads(heard.answer)
    assert hello["clientCapabilities"] == {
        "fs": {"readTextFile": False, "writeTextFile": False},
        "terminal": False,
    }
    assert new == {"cwd": "/p", "mcpServers": [], "_meta": {"tools": ["Read"]}}
    assert mode == {"sessionId": "s", "modeId": "plan"}
    assert prompt == {"sessionId": "s", "prompt": [{"type": "text", "text": "Look"}]}


async def test_a_mode_that_is_refused_ends_it(tmp_path: Path) -> None:
    """P8: without its read-only mode an agent gets no prompt."""
    opening = Opening(cwd="/p", prompt="secret", mode="plan")
    heard = await converse(
        """
greet(); open_session()
asked = hear()
tell(id=asked["id"], error={"code": -32602, "message": "no such mode"})
say(json.dumps(hear()))
""",
        tmp_path,
        opening=opening,
    )

    assert heard.turn.refusal is not None
    assert (heard.turn.stage, heard.turn.refusal.message) == ("choosing", "no such mode")
    assert heard.told("text") == ""


async def test_permissions_are_answered(tmp_path: Path) -> None:
    """P8, F54: reading yes, writing and running no, and every no is recorded."""
    heard = await converse(
        """
asked = prompted()
options = [{"optionId": "y", "kind": "allow_once"}, {"optionId": "n", "kind": "reject_once"}]
for number, kind in enumerate(["read", "edit", "execute"]):
    call = {"toolCallId": str(number), "title": f"{kind} it", "kind": kind}
    tell(id=f"p{number}", method="session/request_permission", params={"toolCall": call, "options": options})
    say(hear()["result"]["outcome"]["optionId"])
end(asked)
""",
        tmp_path,
    )  # fmt: skip

    assert heard.answer == "ynn"
    assert heard.turn.recorder.denials == [
        Denied("edit it", "edit", "1"),
        Denied("execute it", "execute", "2"),
    ]


async def test_what_nobody_knows_is_answered(tmp_path: Path) -> None:
    """P11: requests of a later protocol get an error, and the conversation goes on."""
    heard = await converse(
        """
asked = prompted()
tell(id=0, method="craft/drain", params=[1])
code = hear()["error"]["code"]
tell(id="f", method="fs/write_text_file", params={"path": "/etc/passwd"})
code += hear()["error"]["code"]
tell(method="surprise", params={"x": 1}); tell(id=99, result={}); tell(id="s", error={})
say(str(code)); end({"id": str(asked["id"])})
""",
        tmp_path,
    )

    assert heard.answer == str(2 * -32601)
    assert "asked for fs/write_text_file: not offered" in heard.told("notice")


async def test_garbage_is_noise(tmp_path: Path) -> None:
    """P11: what is no message on stdout is kept as a notice, and harms nothing."""
    heard = await converse(
        r"""
raw(b"Loading model... \xff\xfe\n{\n\n")
asked = prompted()
raw(b"half a line, then "); raw(b"the rest\n")
body = json.dumps({"method": "session/update", "params": {"update": {"sessionUpdate": "agent_message_chunk", "content": {"text": "d\u00e4mmert \U0001f600"}}}}, ensure_ascii=False).encode()
for byte in body: raw(bytes([byte]))
raw(b"\r\n"); end(asked)
""",
        tmp_path,
    )  # fmt: skip

    assert heard.answer == "dämmert 😀"
    assert "Loading model" in heard.told("notice")
    assert "half a line, then the rest" in heard.told("notice")


async def test_a_line_of_megabytes_is_read(tmp_path: Path) -> None:
    """P11: a line may be as long as a file; the cap is sixteen megabytes."""
    heard = await converse("asked = prompted(); say('x' * 3_000_000); end(asked)", tmp_path)

    assert heard.turn.stage == "answered"
    assert heard.turn.recorder.answer().dropped_bytes == 3_000_000 - (1 << 20)


async def test_a_line_over_the_cap_is_cut_and_marked(tmp_path: Path) -> None:
    """P11: its place in the transcript says how much was lost; the end is still heard."""
    heard = await converse(
        "asked = prompted(); say('x' * 9000); say('well'); end(asked)",
        tmp_path,
        manners=replace(QUICK, line_cap=4096),
    )

    assert heard.answer == "well"
    assert "more bytes]" in heard.told("notice")


async def test_an_answer_over_the_cap_does_not_hang(tmp_path: Path) -> None:
    """P11, F31: if it is the end itself that is too long, it counts as an error."""
    heard = await converse(
        "asked = prompted(); end(asked, padding='x' * 9000)",
        tmp_path,
        manners=replace(QUICK, line_cap=4096),
    )

    assert heard.turn.refusal is not None
    assert "too long" in heard.turn.refusal.message


async def test_a_prompt_of_megabytes_arrives(tmp_path: Path) -> None:
    """P11: more than any pipe holds, while the agent talks and does not read."""
    prompt = "wörd " * 1_000_000
    heard = await converse(
        """
greet(); open_session()
for n in range(200): say("x" * 1000, messageId="before")
asked = hear(); say(str(len(asked["params"]["prompt"][0]["text"]))); end(asked)
""",
        tmp_path,
        opening=Opening(cwd="/", prompt=prompt),
    )

    assert heard.answer == str(len(prompt))


async def test_one_that_dies_in_the_middle(tmp_path: Path) -> None:
    """P9, P11: nobody waits for an answer that cannot come."""
    heard = await converse("prompted(); say('half'); sys.exit(3)", tmp_path)

    turn = heard.turn
    assert (turn.stage, turn.reply, turn.refusal) == ("asking", {}, None)
    assert (turn.ended.exit_code, heard.told("text")) == (3, "half")


@pytest.mark.parametrize("script", ["", "sys.exit(1)", "raw(b'usage: peer [-h]\\n')", "hear()"])
async def test_one_that_never_greets(tmp_path: Path, script: str) -> None:
    """P11: a wrong program is found out at once."""
    heard = await converse(script, tmp_path)

    assert (heard.turn.stage, heard.turn.ended.cause) == ("greeting", "ended")


async def test_one_that_cannot_start(tmp_path: Path) -> None:
    """P11: a missing program is an end like any other, and no pipe stays open."""
    command = replace(a_peer("", tmp_path), argv=("/nowhere/agent",))
    talk = AcpTalk(Opening(cwd="/", prompt="x"), Recorder(lambda _piece: None, 10))
    drive = Drive(command, LIMITS, a_room(tmp_path), talk, lambda _s, _p: None)

    turn = await drive.run()

    assert (turn.ended.cause, turn.stage) == ("not_started", "greeting")


async def test_without_pipes_it_cannot_start(tmp_path: Path) -> None:
    """P11: a machine that has no more descriptors is no reason to lose the worker."""
    talk = AcpTalk(Opening(cwd="/", prompt="x"), Recorder(lambda _piece: None, 10))
    drive = Drive(a_peer("", tmp_path), LIMITS, a_room(tmp_path), talk, lambda _s, _p: None)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        turn = await drive.run()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert (turn.ended.cause, turn.ended.errno) == ("not_started", errno.EMFILE)
