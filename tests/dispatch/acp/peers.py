"""Agents that speak the protocol as a test wants: a few lines of Python at the other end."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from dispatch.tasks import a_room
from flowrunner.dispatch.acp.driving import Drive, Manners
from flowrunner.dispatch.acp.recording import Piece, Recorder
from flowrunner.dispatch.acp.session import Opening
from flowrunner.dispatch.acp.turn import AcpTalk, Turn
from flowrunner.dispatch.process import ProcessLimits
from flowrunner.dispatch.spawning import AgentCommand

LIMITS = ProcessLimits(total_seconds=60, watchdog_seconds=100, grace_seconds=0.3)
QUICK = Manners(cancel_seconds=0.5, close_seconds=0.5)

_HEAD = """
import json, os, signal, sys, time
out = sys.stdout.buffer
def raw(body):
    out.write(body); out.flush()
def tell(**message):
    raw(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\\n")
def hear():
    line = sys.stdin.buffer.readline()
    return json.loads(line) if line else sys.exit(0)
def update(**given):
    tell(method="session/update", params={"sessionId": "s", "update": given})
def say(text, **more):
    update(sessionUpdate="agent_message_chunk", content={"type": "text", "text": text}, **more)
def greet():
    asked = hear()
    tell(id=asked["id"], result={"agentInfo": {"name": "peer", "version": "1.2.3"}})
def open_session():
    asked = hear()
    tell(id=asked["id"], result={"sessionId": "s"})
    return asked
def prompted():
    greet()
    open_session()
    return hear()
def end(asked, reason="end_turn", **more):
    tell(id=asked["id"], result={"stopReason": reason, **more})
"""


def a_peer(script: str, cwd: Path) -> AgentCommand:
    """An agent that runs *script*; it finds `prompted`, `say`, `update`, `tell`, `end`, `raw`."""
    return AgentCommand(
        argv=(sys.executable, "-I", "-S", "-c", _HEAD + script),
        env={"PATH": "/usr/bin:/bin"},
        cwd=cwd,
        stdin=b"",
        output_cap=0,
    )


@dataclass
class Heard:
    """A turn and its transcript."""

    turn: Turn
    pieces: list[Piece] = field(default_factory=list[Piece])

    def told(self, kind: str) -> str:
        return "".join(piece.text for piece in self.pieces if piece.kind == kind)

    @property
    def answer(self) -> str:
        return self.turn.recorder.answer().text


async def converse(
    script: str,
    tmp_path: Path,
    *,
    opening: Opening | None = None,
    limits: ProcessLimits = LIMITS,
    manners: Manners = QUICK,
    on_piece: Callable[[Drive, Piece], None] | None = None,
) -> Heard:
    """Speak with a peer to its end; its private folder is gone then."""
    pieces: list[Piece] = []

    def hear(piece: Piece) -> None:
        pieces.append(piece)
        if on_piece is not None:
            on_piece(drive, piece)

    opening = opening or Opening(cwd=str(tmp_path), prompt="What is wrong?")
    talk = AcpTalk(opening, Recorder(hear, 1 << 20))
    room = a_room(tmp_path)
    drive = Drive(
        a_peer(script, tmp_path), limits, room, talk, lambda _s, _p: None, manners=manners
    )
    heard = Heard(await drive.run(), pieces)
    assert list(room.iterdir()) == []
    return heard
