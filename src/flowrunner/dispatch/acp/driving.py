"""One agent from its start to its end, spoken with meanwhile, and ended in order.

The order of ending: cancel the prompt, close stdin, SIGTERM to all of them, SIGKILL to all of them.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Coroutine
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from flowrunner.dispatch.acp.framing import LINE_CAP, Lines
from flowrunner.dispatch.acp.outlet import Outlet
from flowrunner.dispatch.acp.turn import Talk, Turn, Why
from flowrunner.dispatch.process import AgentProcess, Ended, OnOutput, ProcessLimits
from flowrunner.dispatch.spawning import AgentCommand

_LOOK_SECONDS = 0.25
_BACKSTOP_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """How long each step of an ending may take, and how long a line may be."""

    cancel_seconds: float = 5.0
    close_seconds: float = 2.0
    line_cap: int = LINE_CAP


class Drive:
    """Runs one agent once, with the verbs of AgentProcess: `stop` is polite, `kill` is not."""

    def __init__(
        self,
        command: AgentCommand,
        limits: ProcessLimits,
        room: Path,
        talk: Talk,
        on_output: OnOutput,
        *,
        manners: Manners | None = None,
    ) -> None:
        self._command = command
        self._limits = limits
        self._room = room
        self._talk = talk
        self._on_output = on_output
        self._manners = manners or Manners()
        self._lines = Lines(self._manners.line_cap)
        self._process: AgentProcess | None = None
        self._outlet: Outlet | None = None
        self._heard_at = 0.0
        self._why: Why | None = None
        self._is_killed = False
        self._stopping = asyncio.Event()
        self._answered = asyncio.Event()
        self._ending = asyncio.Event()

    def beat(self) -> None:
        if self._process is not None:
            self._process.beat()

    def stop(self) -> None:
        self._stop("stopped")

    def kill(self) -> None:
        self._why = self._why or "stopped"
        self._is_killed = True
        if self._process is not None:
            self._process.kill()

    async def run(self) -> Turn:
        """Never raises for what the agent or the system does: that is in the answer."""
        with ExitStack() as pipes:
            try:
                process = self._process = self._prepared(pipes)
            except OSError as exc:  # No pipes are left.
                ended = Ended(cause="not_started", errno=exc.errno or 0, detail=str(exc))
            else:
                if self._is_killed:
                    process.kill()
                ended = await self._play(process)
        return self._talk.turn(ended, self._why)

    async def _play(self, process: AgentProcess) -> Ended:
        self._heard_at = time.monotonic()
        async with asyncio.TaskGroup() as group:
            talking = group.create_task(self._speak())
            about = [group.create_task(work) for work in (self._watch(), self._end(process))]
            if self._outlet is not None:
                about.append(group.create_task(self._outlet.run()))
            try:
                ended = await process.run()
            finally:
                for line in self._lines.end():
                    self._talk.heard(line)
                self._talk.lost()
                self._close_stdin()
                for task in about:
                    task.cancel()
            await talking
        return ended

    def _prepared(self, pipes: ExitStack) -> AgentProcess:
        command = replace(self._command, output_cap=0)
        if self._talk.outbox is not None:
            read, write = os.pipe()
            theirs = pipes.enter_context(os.fdopen(read, "rb", 0))
            self._outlet = Outlet(self._talk.outbox, pipes.enter_context(os.fdopen(write, "wb", 0)))
            command = replace(command, stdin=theirs)
        # Its own time comes last: we end it more politely.
        total = self._limits.total_seconds + _BACKSTOP_SECONDS
        limits = replace(self._limits, total_seconds=total, idle_seconds=None)
        return AgentProcess(command, limits, self._room, self._on_output, on_stream=self._hear)

    async def _speak(self) -> None:
        await self._talk.run()
        self._answered.set()
        self._ending.set()

    def _hear(self, piece: bytes) -> None:
        self._heard_at = time.monotonic()
        for line in self._lines.feed(piece):
            self._talk.heard(line)

    def _stop(self, why: Why) -> None:
        self._why = self._why or why
        self._stopping.set()
        self._ending.set()

    async def _watch(self) -> None:
        """Stop it when its time is over, or when it is silent while no tool runs (F31)."""
        started = self._heard_at
        while not self._ending.is_set():
            now, idle = time.monotonic(), self._limits.idle_seconds
            if self._talk.recorder.is_tool_running():
                self._heard_at = now
            if now - started >= self._limits.total_seconds:
                self._stop("timeout_total")
            elif idle is not None and now - self._heard_at >= idle:
                self._stop("timeout_idle")
            await _within(_LOOK_SECONDS, self._ending.wait())

    async def _end(self, process: AgentProcess) -> None:
        await self._ending.wait()
        if self._stopping.is_set() and self._talk.cancel():
            await _within(self._manners.cancel_seconds, self._answered.wait())
        # Most end when their stdin does, and who has answered by itself; the others are told.
        if self._close_stdin() or self._answered.is_set():
            await asyncio.sleep(self._manners.close_seconds)
        process.stop()

    def _close_stdin(self) -> bool:
        outlet, self._outlet = self._outlet, None
        if outlet is not None:
            outlet.close()
        return outlet is not None


async def _within(seconds: float, waiting: Coroutine[None, None, object]) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await waiting
