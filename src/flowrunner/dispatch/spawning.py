"""Start an agent's supervisor with its pipes, its private folder and nothing it should not have."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from asyncio.subprocess import Process
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from errno import EINVAL
from pathlib import Path
from typing import IO, cast

from flowrunner.dispatch.gates.gate import OPEN, Gate, wrap
from flowrunner.evidence.git import tamed

SUPERVISOR = Path(__file__).with_name("supervisor.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentCommand:
    """What to start: *argv* begins with an absolute path.

    *env* is the whole environment but for HOME and TMPDIR, which are private to the task, and what
    keeps git from running what the project's own configuration names; `{HOME}` in a value of it or
    in *argv* stands for that folder, and *home* is what lies there at first. *stdin* is what the
    agent reads, or where it reads from; that is closed here once it has it.
    Behind *gate* it may write nothing but HOME and TMPDIR.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    cwd: Path
    stdin: bytes | IO[bytes]
    output_cap: int
    home: Mapping[str, str] = field(default_factory=dict[str, str])
    gate: Gate = OPEN


@dataclass(frozen=True, slots=True)
class Stream:
    """One pipe from the agent or its supervisor."""

    reader: asyncio.StreamReader
    transport: asyncio.ReadTransport


@dataclass(frozen=True, slots=True)
class Spawned:
    """A running supervisor. Close it when it has ended."""

    process: Process
    leash: IO[bytes]
    status: Stream
    stdout: Stream
    stderr: Stream

    def say(self, word: bytes) -> None:
        """Write on the leash; nobody may be there to read, and we never wait for them."""
        with suppress(BlockingIOError, BrokenPipeError, ValueError):
            os.write(self.leash.fileno(), word)

    def close(self) -> None:
        self.leash.close()
        for stream in (self.status, self.stdout, self.stderr):
            stream.transport.close()


class NotStartedError(Exception):
    """The system refused; *errno* is its reason."""

    def __init__(self, message: str, errno: int) -> None:
        super().__init__(message)
        self.errno = errno


@contextmanager
def starting() -> Generator[None]:
    """Turn what may be wrong with a command, a folder or the system into NotStartedError."""
    try:
        yield
    except OSError as exc:
        raise NotStartedError(str(exc), exc.errno or 0) from exc
    except ValueError as exc:  # such as a NUL in an argument
        raise NotStartedError(str(exc), EINVAL) from exc


async def spawn(
    command: AgentCommand, folder: Path, *, watchdog_seconds: float, grace_seconds: float
) -> Spawned:
    """Start it with *folder* as its own. Raise OSError when that fails; nothing is left then."""
    with ExitStack() as ours, ExitStack() as theirs:
        prompt = theirs.enter_context(_source(command.stdin, folder))
        if isinstance(command.stdin, bytes):
            await asyncio.to_thread(_fill, prompt, command.stdin)
        argv, env = _settle(command, folder)
        env = {**await asyncio.to_thread(tamed, command.cwd), **env}
        leash_end, leash = _pipe(theirs, ours)
        streams = [_pipe(ours, theirs) for _ in range(3)]
        status_end, stdout_end, stderr_end = (written.fileno() for _, written in streams)
        os.set_blocking(leash.fileno(), False)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-S",
            str(SUPERVISOR),
            str(leash_end.fileno()),
            str(status_end),
            str(watchdog_seconds),
            str(grace_seconds),
            str(folder),
            *argv,
            stdin=prompt,
            stdout=stdout_end,
            stderr=stderr_end,
            cwd=command.cwd,
            env=env,
            pass_fds=(leash_end.fileno(), status_end),
            start_new_session=True,
        )
        status, stdout, stderr = [await _connect(read) for read, _ in streams]
        ours.pop_all()
        return Spawned(process, leash, status, stdout, stderr)


def _settle(command: AgentCommand, folder: Path) -> tuple[tuple[str, ...], dict[str, str]]:
    """Make the private folders, and return what depends on where they are."""
    home, scratch = folder / "home", folder / "tmp"
    home.mkdir(mode=0o700)
    scratch.mkdir(mode=0o700)
    argv, env = command.argv, dict(command.env)
    if command.home:
        _furnish(home, command.home)
        env = {name: text.replace("{HOME}", str(home)) for name, text in env.items()}
        argv = tuple(word.replace("{HOME}", str(home)) for word in argv)
    argv = wrap(command.gate, argv, cwd=command.cwd, writable=(home, scratch))
    return argv, {**env, "HOME": str(home), "TMPDIR": str(scratch)}


def _furnish(home: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        file = home / name
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(text, encoding="utf-8")


def _source(stdin: bytes | IO[bytes], folder: Path) -> IO[bytes]:
    if isinstance(stdin, bytes):
        return cast("IO[bytes]", tempfile.TemporaryFile(dir=folder))
    return stdin


def _fill(file: IO[bytes], body: bytes) -> None:
    # A file and not a pipe: whatever the size, and whether it is read or not, nobody waits.
    file.write(body)
    file.seek(0)


def _pipe(reader: ExitStack, writer: ExitStack) -> tuple[IO[bytes], IO[bytes]]:
    read, write = os.pipe()
    return (
        reader.enter_context(os.fdopen(read, "rb", 0)),
        writer.enter_context(os.fdopen(write, "wb", 0)),
    )


async def _connect(pipe: IO[bytes]) -> Stream:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    return Stream(reader, transport)
