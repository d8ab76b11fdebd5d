"""How conversations end: asked first, made to at last, and nothing of an agent stays."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from dispatch.acp.peers import LIMITS, QUICK, a_peer, converse
from dispatch.agents import is_alive, numbers_in
from dispatch.tasks import a_room
from flowrunner.dispatch.acp.driving import Drive, Manners
from flowrunner.dispatch.acp.recording import Piece, Recorder
from flowrunner.dispatch.acp.session import Opening
from flowrunner.dispatch.acp.turn import AcpTalk

pytestmark = pytest.mark.anyio


def stop_at_text(drive: Drive, piece: Piece) -> None:
    if piece.kind == "text":
        drive.stop()


async def test_stopping_asks_first(tmp_path: Path) -> None:
    """P12, F36: cancel comes as a message, what was said stays, and it ends by itself."""
    heard = await converse(
        """
asked = prompted(); say("half")
assert hear()["method"] == "session/cancel"
end(asked, "cancelled"); hear()
""",
        tmp_path,
        on_piece=stop_at_text,
    )

    turn = heard.turn
    assert (turn.why, turn.reply["stopReason"], turn.ended.cause) == (
        "stopped",
        "cancelled",
        "ended",
    )
    assert heard.answer == "half"


async def test_one_that_does_not_cancel_is_cut_off(tmp_path: Path) -> None:
    """P12, F36: it hears the cancel, then the end of its stdin, and that is enough."""
    log = tmp_path / "log"
    heard = await converse(
        f"""
prompted(); say("half")
with open({str(log)!r}, "a") as file:
    file.write(hear()["method"] + " ")
    file.write(repr(sys.stdin.buffer.readline()))
""",
        tmp_path,
        on_piece=stop_at_text,
    )

    assert log.read_text(encoding="utf-8") == "session/cancel b''"
    assert (heard.turn.why, heard.turn.ended.cause) == ("stopped", "ended")


async def test_a_deaf_one_is_told_by_signals(tmp_path: Path) -> None:
    """P12, F36: cancel, stdin, SIGTERM, SIGKILL; its child, in a session of its own, goes too."""
    pids = tmp_path / "pids"
    heard = await converse(
        f"""
signal.signal(signal.SIGTERM, lambda *_: open({str(tmp_path / "term")!r}, "w"))
prompted()
if os.fork() == 0:
    os.setsid(); signal.signal(signal.SIGTERM, signal.SIG_IGN)
open({str(pids)!r}, "a").write(f"{{os.getpid()}} ")
say("half")
while True: time.sleep(60)
""",
        tmp_path,
        on_piece=stop_at_text,
    )

    assert (heard.turn.why, heard.turn.ended.cause) == ("stopped", "stopped")
    assert (tmp_path / "term").exists()
    assert [pid for pid in numbers_in(pids) if is_alive(pid)] == []


@pytest.mark.parametrize("script", ["hear(); hear()", "greet(); hear(); hear()"])
async def test_stopping_before_there_is_a_prompt(tmp_path: Path, script: str) -> None:
    """P12: in every phase; what has not been asked need not be cancelled."""
    talk = AcpTalk(Opening(cwd="/", prompt="x"), Recorder(lambda _piece: None, 10))
    room = a_room(tmp_path)
    drive = Drive(a_peer(script, tmp_path), LIMITS, room, talk, lambda _s, _p: None, manners=QUICK)
    drive.stop()

    turn = await drive.run()

    assert (turn.why, turn.ended.cause) == ("stopped", "ended")


async def test_killing_is_at_once(tmp_path: Path) -> None:
    """P12, P2: a lost lease asks for nothing."""
    heard = await converse(
        "prompted(); say('half'); time.sleep(600)",
        tmp_path,
        on_piece=lambda drive, _piece: drive.kill(),
        manners=Manners(cancel_seconds=300, close_seconds=300),
    )

    assert (heard.turn.why, heard.turn.ended.cause) == ("stopped", "killed")


async def test_killed_before_it_began(tmp_path: Path) -> None:
    """P2: a lease may be lost at any instant."""
    talk = AcpTalk(Opening(cwd="/", prompt="x"), Recorder(lambda _piece: None, 10))
    room = a_room(tmp_path)
    drive = Drive(a_peer("time.sleep(600)", tmp_path), LIMITS, room, talk, lambda _s, _p: None)
    drive.kill()

    assert (await drive.run()).ended.cause == "killed"


async def test_its_time_is_limited(tmp_path: Path) -> None:
    """F31: in all, also while it talks."""
    limits = replace(LIMITS, total_seconds=1.5)
    script = "prompted()\nwhile True: say('.'); time.sleep(0.05)"
    heard = await converse(script, tmp_path, limits=limits)

    assert heard.turn.why == "timeout_total"
    assert heard.told("text").startswith("...")


async def test_its_silence_is_limited(tmp_path: Path) -> None:
    """F31: one that says nothing is asked to stop, and says so in the end."""
    limits = replace(LIMITS, idle_seconds=0.6)
    script = "asked = prompted(); say('hm')\nhear(); end(asked, 'cancelled')"
    heard = await converse(script, tmp_path, limits=limits)

    assert (heard.turn.why, heard.turn.reply["stopReason"]) == ("timeout_idle", "cancelled")


async def test_a_tool_may_be_silent(tmp_path: Path) -> None:
    """F31: while a tool runs, silence is no sign; afterwards it is again."""
    limits = replace(LIMITS, idle_seconds=0.6)
    script = """
asked = prompted()
update(sessionUpdate="tool_call", toolCallId="1", title="Test", kind="read", status="in_progress")
time.sleep(2)
update(sessionUpdate="tool_call_update", toolCallId="1", status="completed")
say("well"); end(asked)
"""
    started = time.monotonic()
    heard = await converse(script, tmp_path, limits=limits)

    assert (heard.turn.why, heard.answer) == (None, "well")
    assert time.monotonic() - started >= 2


async def test_a_flood_is_ended(tmp_path: Path) -> None:
    """P11: one that never stops talking is stopped."""
    limits = replace(LIMITS, flood_bytes=1_000_000)
    script = "prompted()\nwhile True: raw(b'x' * 65536 + b'\\n')"
    heard = await converse(script, tmp_path, limits=limits)

    assert heard.turn.ended.cause == "output_flood"
