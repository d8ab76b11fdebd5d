"""Run one agent as a process: bounded in time and output, and certain to end."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

import structlog

from flowrunner.dispatch.capture import NOTHING, Captured, Head, Tail
from flowrunner.dispatch.spawning import AgentCommand, NotStartedError, Spawned, spawn, starting

log = structlog.stdlib.get_logger()

STDERR_TAIL_BYTES = 8192
_PIECE_BYTES = 65536
_SLACK_SECONDS = 10.0
_STREAM_SECONDS = 2.0

Cause: TypeAlias = Literal[
    "ended",
    "stopped",
    "killed",
    "timeout_total",
    "timeout_idle",
    "output_flood",
    "worker_silent",
    "not_started",
    "supervisor_lost",
]
Breach: TypeAlias = Literal["timeout_total", "timeout_idle", "output_flood"]
OnOutput: TypeAlias = Callable[[Literal["text", "stderr"], bytes], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessLimits:
    """Seconds and bytes. Beyond its cap output is still read and counted, up to *flood_bytes*."""

    total_seconds: float = 1800.0
    idle_seconds: float | None = None
    grace_seconds: float = 5.0
    watchdog_seconds: float = 8.0
    flood_bytes: int = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How it went: an exit code, or the signal that ended it.

    *errno* and *detail* say why it never ran.
    """

    cause: Cause
    exit_code: int | None = None
    signal: int | None = None
    output: Captured = NOTHING
    stderr_tail: str = ""
    seconds: float = 0.0
    errno: int = 0
    detail: str = ""


class AgentProcess:
    """One agent from its start to the end of its last descendant. Run it once.

    Call `beat` more often than every `watchdog_seconds`, or its supervisor takes us for dead.
    `stop` and `kill` may be called at any time. Cancelling `run` kills, and waits for the end.
    """

    def __init__(
        self,
        command: AgentCommand,
        limits: ProcessLimits,
        room: Path,
        on_output: OnOutput,
        *,
        on_stream: Callable[[bytes], None] | None = None,
    ) -> None:
        self._command = command
        self._limits = limits
        self._room = room
        self._on_output = on_output
        self._on_stream = on_stream
        self._spawned: Spawned | None = None
        self._order = b""
        self._ordered = asyncio.Event()
        self._breach: Breach | None = None
        self._heard_at = time.monotonic()
        self._words: dict[str, list[str]] = {}
        self._output = Head(command.output_cap)
        self._stderr = Tail(STDERR_TAIL_BYTES)

    def beat(self) -> None:
        """Say that we are alive."""
        if self._spawned is not None:
            self._spawned.say(b".")

    def stop(self) -> None:
        """Ask it to end; it is made to after the grace time."""
        self._give(self._order or b"T")

    def kill(self) -> None:
        """End it now."""
        self._give(b"K")

    async def run(self) -> Ended:
        """Never raises for what the agent or the system does: that is in the answer."""
        started = time.monotonic()
        try:
            ended = await self._run()
        except NotStartedError as exc:
            ended = Ended(cause="not_started", errno=exc.errno, detail=str(exc))
        seconds = round(time.monotonic() - started, 3)
        return replace(ended, seconds=seconds)

    async def _run(self) -> Ended:
        with starting():
            folder = Path(tempfile.mkdtemp(prefix="task-", dir=self._room))
        try:
            with starting():
                spawned = await spawn(
                    self._command,
                    folder,
                    watchdog_seconds=self._limits.watchdog_seconds,
                    grace_seconds=self._limits.grace_seconds,
                )
            try:
                await self._follow(spawned)
            finally:
                await _surely(self._bury(spawned))
        finally:
            await asyncio.to_thread(_remove, folder)
        return self._ended()

    async def _follow(self, spawned: Spawned) -> None:
        self._spawned = spawned
        self._heard_at = time.monotonic()
        spawned.say(self._order)
        async with asyncio.TaskGroup() as group:
            readers = [
                group.create_task(self._read_output(spawned.stdout.reader)),
                group.create_task(self._read_stderr(spawned.stderr.reader)),
            ]
            enforcing = group.create_task(self._enforce(spawned))
            await self._read_status(spawned.status.reader)
            # All that could write has ended, unless it could not be killed.
            await asyncio.wait(readers, timeout=_STREAM_SECONDS)
            for task in (*readers, enforcing):
                task.cancel()

    async def _read_output(self, reader: asyncio.StreamReader) -> None:
        most = self._command.output_cap + self._limits.flood_bytes
        while piece := await reader.read(_PIECE_BYTES):
            self._heard_at = time.monotonic()
            if self._on_stream is not None:
                self._on_stream(piece)  # All of it, whatever is kept.
            if kept := self._output.feed(piece):
                self._on_output("text", kept)
            if self._output.seen_bytes > most and self._breach is None:
                self._breach = "output_flood"
                self.kill()

    async def _read_stderr(self, reader: asyncio.StreamReader) -> None:
        while piece := await reader.read(_PIECE_BYTES):
            self._heard_at = time.monotonic()
            self._stderr.feed(piece)
            self._on_output("stderr", piece)

    async def _read_status(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            word, *rest = line.decode().split()
            self._words[word] = rest

    async def _enforce(self, spawned: Spawned) -> None:
        """Stop it when its time is over, and end a supervisor that does not do as told."""
        started = self._heard_at
        while not self._order:
            due, breach = started + self._limits.total_seconds, "timeout_total"
            idle = self._limits.idle_seconds
            if idle is not None and self._heard_at + idle < due:
                due, breach = self._heard_at + idle, "timeout_idle"
            wait = due - time.monotonic()
            if wait <= 0:
                self._breach = "timeout_idle" if breach == "timeout_idle" else "timeout_total"
                self.stop()
            else:
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._ordered.wait()
        await asyncio.sleep(self._limits.grace_seconds + _SLACK_SECONDS)
        self._destroy(spawned)

    async def _bury(self, spawned: Spawned) -> None:
        self.kill()
        try:
            async with asyncio.timeout(_SLACK_SECONDS):
                await self._read_status(spawned.status.reader)
                await spawned.process.wait()
        except TimeoutError:
            pass
        finally:
            if "end" not in self._words:
                self._destroy(spawned)
            self._spawned = None
            spawned.close()

    def _give(self, order: bytes) -> None:
        self._order = order
        self._ordered.set()
        if self._spawned is not None:
            self._spawned.say(order)

    def _destroy(self, spawned: Spawned) -> None:
        """The supervisor fails us: end it, and the agent's group, by hand."""
        log.error("supervisor.destroyed", pid=spawned.process.pid)
        with suppress(ProcessLookupError):
            spawned.process.kill()
        if "pid" in self._words:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(int(self._words["pid"][0]), signal.SIGKILL)

    def _ended(self) -> Ended:
        if "refused" in self._words:
            errno = int(self._words["refused"][0])
            detail = f"{self._command.argv[0]}: {os.strerror(errno)}"
            return Ended(cause="not_started", errno=errno, detail=detail)
        cause, status, left = self._words.get("end", ["broken", "-1", "0"])
        if left != "0":
            log.error("agent.unkillable", processes=int(left))
        code = os.waitstatus_to_exitcode(int(status)) if status != "-1" else None
        return Ended(
            cause=_cause(cause, self._breach),
            exit_code=code if code is not None and code >= 0 else None,
            signal=-code if code is not None and code < 0 else None,
            output=self._output.captured(),
            stderr_tail=self._stderr.text(),
        )


def _cause(said: str, breach: Breach | None) -> Cause:
    match said:
        case "ended":
            return "ended"
        case "worker_silent":
            return "worker_silent"
        case "stopped" | "killed" | "worker_gone":
            return breach or ("stopped" if said == "stopped" else "killed")
        case _:
            return "supervisor_lost"


async def _surely(ending: Coroutine[None, None, None]) -> None:
    """Await *ending* to its end even if we are cancelled meanwhile; then be cancelled."""
    task = asyncio.ensure_future(ending)
    is_cancelled = False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            is_cancelled = True
    if is_cancelled:
        raise asyncio.CancelledError
    task.result()


def _remove(folder: Path) -> None:
    """The supervisor has done it already, unless it could not."""
    if folder.exists():
        shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        log.error("scratch.left", folder=str(folder))
