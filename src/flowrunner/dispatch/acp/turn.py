"""What a conversation with an agent is, and what comes of it, whatever its dialect."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from flowrunner.dispatch.acp.connection import LostError, RefusedError
from flowrunner.dispatch.acp.framing import Line
from flowrunner.dispatch.acp.messages import NOTHING, Json, Refusal
from flowrunner.dispatch.acp.recording import Recorder
from flowrunner.dispatch.acp.session import Opening, Session, Stage
from flowrunner.dispatch.process import Ended

Why: TypeAlias = Literal["stopped", "timeout_total", "timeout_idle"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """How it went; *why* is set when we ended it.

    *reply* is what the agent answered to the prompt at the very end, empty where it did not.
    """

    ended: Ended
    recorder: Recorder
    why: Why | None = None
    stage: Stage = "greeting"
    reply: Json = field(default_factory=lambda: NOTHING)
    refusal: Refusal | None = None
    agent_name: str = ""
    agent_version: str = ""


class Talk(Protocol):
    """One conversation. *outbox* holds what goes to the agent's stdin, None if a file does."""

    recorder: Recorder
    outbox: asyncio.Queue[bytes] | None

    def heard(self, line: Line) -> None: ...

    def lost(self) -> None:
        """The agent is gone; what is waited for will not come."""
        ...

    def cancel(self) -> bool:
        """Ask it to stop answering; False when that cannot be asked."""
        ...

    async def run(self) -> None:
        """Return when the agent has answered, or will not."""
        ...

    def turn(self, ended: Ended, why: Why | None) -> Turn: ...


class AcpTalk:
    """The Agent Client Protocol."""

    def __init__(self, opening: Opening, recorder: Recorder) -> None:
        self.recorder = recorder
        self._opening = opening
        self._session = Session(recorder)
        self.outbox: asyncio.Queue[bytes] | None = self._session.connection.outbox
        self._reply = NOTHING
        self._refusal: Refusal | None = None

    def heard(self, line: Line) -> None:
        self._session.connection.heard(line)

    def lost(self) -> None:
        self._session.connection.lost()

    def cancel(self) -> bool:
        return self._session.cancel()

    async def run(self) -> None:
        try:
            self._reply = await self._session.play(self._opening)
        except RefusedError as exc:
            self._refusal = exc.refusal
        except LostError:
            pass  # How it ended says why.

    def turn(self, ended: Ended, why: Why | None) -> Turn:
        return Turn(
            ended=ended,
            recorder=self.recorder,
            why=why,
            stage=self._session.stage,
            reply=self._reply,
            refusal=self._refusal,
            agent_name=self._session.agent_name,
            agent_version=self._session.agent_version,
        )
