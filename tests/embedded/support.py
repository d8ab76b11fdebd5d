"""Watching real processes: who is alive, who belongs to a folder, waiting for a condition."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from flowrunner.embedded.orphans import recorded_pid

CLIENT = Path(__file__).with_name("client.py")
SOURCES = Path(__file__).parents[2] / "src"


def until(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    """Wait for *condition*; fail when it does not come true in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"still not so after {seconds} s"
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    """Whether *pid* runs; a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(b")")[2].split()[0] not in {b"Z", b"X"}


def processes_of(folder: Path) -> set[int]:
    """Return the pids that work in *folder* or name it on their command line, except ours."""
    found = {int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()}
    return {pid for pid in found - {os.getpid()} if is_alive(pid) and _names(pid, str(folder))}


def postmaster_of(home: Path) -> int:
    """Return the pid in the pid file of the one data folder under *home*; 0 if there is none."""
    (pgdata,) = home.glob("pg[0-9][0-9]")
    return recorded_pid(pgdata) or 0


def kill(*pids: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@dataclass(frozen=True)
class Client:
    """Another program that uses the cluster: client.py, up and attached."""

    process: subprocess.Popen[str]
    keeper: int

    def let_go(self) -> None:
        """Have it stop its cluster and end."""
        self.process.communicate()


def launch(home: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, CLIENT, home, *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(SOURCES)},
    )


@contextlib.contextmanager
def a_client(home: Path, *options: str) -> Generator[Client]:
    with launch(home, *options) as process:
        try:
            yield Client(process, int(first_line(process.stdout)))
        finally:
            process.kill()


@contextlib.contextmanager
def a_process(*command: str) -> Generator[subprocess.Popen[bytes]]:
    """A child of ours that does not outlive the block, whatever happens in it."""
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def first_line(stream: IO[str] | None) -> str:
    assert stream is not None
    return stream.readline()


def _names(pid: int, folder: str) -> bool:
    words: list[str] = []
    with contextlib.suppress(OSError):
        words.append(str(Path(f"/proc/{pid}/cwd").readlink()))
        words.append(Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace"))
    return any(folder in word for word in words)
