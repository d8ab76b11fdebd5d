"""One postgres process, child of this one: started, waited for, stopped."""

from __future__ import annotations

import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from flowrunner.embedded.account import Account, launch_command
from flowrunner.embedded.parameters import server_parameters
from flowrunner.embedded.spec import Spec

_STATUS_LINE = 7
_TAIL_BYTES = 2000
_PATIENCE = ((signal.SIGINT, 60.0), (signal.SIGQUIT, 10.0))
# What a postmaster says when the processes of its dead predecessor have not all left yet.
_PASSING = ("pre-existing shared memory block", 'lock file "postmaster.pid" already exists')


# Inode and time of last change.
Stamp = tuple[int, int]


@dataclass(frozen=True)
class Postmaster:
    spec: Spec
    process: subprocess.Popen[bytes]
    log_start: int
    previous_pid_file: Stamp | None

    def is_ready(self) -> bool:
        """Whether this very process takes connections.

        The pid file of a killed postmaster says "ready" for ever, so the pid in it must be our
        child's; and as a fresh container counts pids from 1 again, it must also be another file.
        """
        path = self.spec.pgdata / "postmaster.pid"
        try:
            lines = path.read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return False
        return (
            _stamp(path) != self.previous_pid_file
            and len(lines) > _STATUS_LINE
            and lines[_STATUS_LINE].strip() == "ready"
            and lines[0] == str(self.process.pid)
        )

    def exit_code(self) -> int | None:
        return self.process.poll()

    def last_words(self) -> str:
        """Return the end of what it wrote to the log."""
        with self.spec.log.open("rb") as log:
            log.seek(self.log_start)
            return log.read()[-_TAIL_BYTES:].decode(errors="replace").strip()

    def fell_over_its_predecessor(self) -> bool:
        """Whether trying again in a moment will do."""
        words = self.last_words()
        return any(phrase in words for phrase in _PASSING)

    def stop(self) -> None:
        """Shut down fast; without waiting for sessions, with a checkpoint. Repeatable."""
        for last_signal, seconds in _PATIENCE:
            if self.process.poll() is not None:
                return
            self.process.send_signal(last_signal)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                continue
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def start_postmaster(spec: Spec, account: Account, socket_folder: Path) -> Postmaster:
    """Start postgres and return at once. It shuts down fast when this process dies (P3)."""
    program = [str(spec.bindir / "postgres"), "-D", str(spec.pgdata)]
    for name, value in server_parameters(spec, socket_folder).items():
        program += ["-c", f"{name}={value}"]
    previous = _stamp(spec.pgdata / "postmaster.pid")
    with spec.log.open("ab") as log:
        log_start = log.tell()
        process = subprocess.Popen(  # noqa: S603
            launch_command(account, program, last_signal=signal.SIGINT),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
        )
        return Postmaster(spec, process, log_start, previous)


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns
