"""Commands at a real terminal of a given size: what is on its screen, and keys that are hit."""

from __future__ import annotations

import asyncio
import codecs
import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from fixtures.screen import Screen
from fixtures.waiting import until
from integration.doors.commands import Terminal

CTRL_C = b"\x03"


@dataclass(slots=True)
class Tty:
    """One command at a terminal."""

    screen: Screen
    process: subprocess.Popen[bytes]
    leader: int
    raw: bytearray = field(default_factory=bytearray)

    @property
    def text(self) -> str:
        return "\n".join(self.screen.lines())

    def type(self, keys: bytes) -> None:
        os.write(self.leader, keys)

    async def shows(self, text: str, deadline: float = 20.0) -> str:
        """Wait until *text* is on the screen; return all of it."""
        try:
            await until(lambda: text in self.text, deadline)
        except TimeoutError as error:
            raise AssertionError(f"{text!r} is not on the screen:\n{self.text}") from error
        return self.text

    async def wait(self, deadline: float = 20.0) -> int:
        """Wait for the command's end, and for the last of what it said."""
        await until(lambda: self.process.poll() is not None, deadline)
        with suppress(asyncio.TimeoutError, TimeoutError):
            await until(lambda: self.leader < 0, 1.0)
        return self.process.returncode


@asynccontextmanager
async def at_terminal(
    terminal: Terminal, *words: str, width: int = 80, height: int = 30, **environment: str
) -> AsyncGenerator[Tty]:
    """Start a command at a terminal of that size; it is killed at the end of the block."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
    process = _start(terminal, words, follower, environment)
    os.close(follower)
    tty = Tty(Screen(width, height), process, leader)
    loop = asyncio.get_running_loop()
    decoder = codecs.getincrementaldecoder("utf-8")()

    def read() -> None:
        try:
            found = os.read(leader, 65_536)
        except OSError:  # Linux says so when the last program at a terminal has ended
            found = b""
        if not found:
            loop.remove_reader(leader)
            tty.leader = -1
            return
        tty.raw += found
        tty.screen.feed(decoder.decode(found))

    loop.add_reader(leader, read)
    try:
        yield tty
    finally:
        loop.remove_reader(leader)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()
        os.close(leader)


def _start(
    terminal: Terminal, words: tuple[str, ...], follower: int, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    given = {**terminal.variables(), "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", **environment}
    return subprocess.Popen(
        [sys.executable, "-m", "flowrunner", *words],
        cwd=terminal.folder,
        env={name: value for name, value in given.items() if name not in {"COLUMNS", "LINES"}},
        stdin=follower,
        stdout=follower,
        stderr=follower,
        # Ctrl-C reaches only those whose terminal it is.
        preexec_fn=lambda: os.login_tty(0),  # noqa: PLW1509  # no thread of ours holds a lock here
    )
