"""A client's hold on the keeper: as long as it is open, postgres runs."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flowrunner.embedded.errors import EmbeddedError, FolderError, KeeperError
from flowrunner.embedded.spec import Spec

# Longer than the keeper gives postgres, so that its error comes before our own.
_SECONDS = 75.0
_LOOK_SECONDS = 0.02
_PARTING_SECONDS = 75.0
_LOG_BYTES = 5_000_000


@dataclass(frozen=True)
class Link:
    """*host* is the folder of postgres's socket, *keeper* a pid."""

    connection: socket.socket
    host: str
    keeper: int
    durable: bool
    settings: Mapping[str, str]

    def wait_until_lost(self) -> None:
        """Wait until the keeper is gone, or tells that it is giving up. For one thread."""
        with contextlib.suppress(OSError):
            self.connection.settimeout(None)
            self.connection.recv(1)

    def leave(self) -> None:
        """Let go, and wait until the keeper has taken note.

        If we were the last and it does not linger, that is when postgres has stopped.
        """
        try:
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(_PARTING_SECONDS)
            while self.connection.recv(4096):
                pass
        except OSError:
            pass  # It is gone already, which is all we wanted.
        finally:
            self.connection.close()


def attach(spec: Spec) -> Link:
    """Connect to the keeper of this data folder, or become the one who starts it.

    Whoever gets the lock starts the keeper and hands the lock over to it. Raises what the keeper
    met, or KeeperError when none answers in time.
    """
    end = time.monotonic() + _SECONDS
    while True:
        lock = _take_lock(spec.lock)
        connection = _connect(spec.lock) if lock is None else _start_keeper(spec, lock)
        line = None if connection is None else _await_line(connection, end)
        if connection is not None and line:
            return _parse(connection, line)
        if connection is not None:
            connection.close()
        if lock is not None:
            raise _lost(spec, "the keeper ended without a word")
        if time.monotonic() > end:
            raise _lost(spec, f"the keeper of {spec.pgdata} has not answered for {_SECONDS:.0f} s")
        time.sleep(_LOOK_SECONDS)


def _take_lock(path: Path) -> int | None:
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as exc:
        raise FolderError(f"{path}: {exc.strerror}", hint="change its owner") from exc
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _connect(lock: Path) -> socket.socket | None:
    """Connect to the address that the holder of the lock wrote into it, if it is there yet."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(json.loads(lock.read_bytes())["socket"])
    except (OSError, ValueError):
        connection.close()
        return None
    return connection


def _start_keeper(spec: Spec, lock: int) -> socket.socket:
    ours, theirs = socket.socketpair()
    if spec.log.exists() and spec.log.stat().st_size > _LOG_BYTES:
        spec.log.replace(spec.log.with_suffix(".log.1"))
    # -S: the keeper needs the standard library and this package, so nothing of site-packages.
    command = [sys.executable, "-P", "-S", "-m", "flowrunner.embedded.keeper"]
    handles = (lock, theirs.fileno())
    log = os.open(spec.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        subprocess.run(  # noqa: S603
            [*command, spec.to_json(), *map(str, handles)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=_environment(),
            cwd="/",
            start_new_session=True,
            pass_fds=handles,
            check=False,
        )
    except OSError as exc:
        ours.close()
        raise KeeperError(f"{command[0]}: {exc.strerror}", hint="is Python still there?") from exc
    finally:
        theirs.close()
        os.close(log)
        os.close(lock)
    return ours


def _environment() -> dict[str, str]:
    """Return ours without the settings libpq and postgres would take from it."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    source = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, (source, inherited.get("PYTHONPATH"))))
    return inherited | {"PYTHONPATH": path}


def _await_line(connection: socket.socket, end: float) -> bytes:
    connection.settimeout(max(0.1, end - time.monotonic()))
    return _receive(connection)


def _receive(connection: socket.socket) -> bytes:
    """Return one whole line, or nothing when the other side has gone or is silent too long."""
    line = b""
    try:
        while not line.endswith(b"\n"):
            chunk = connection.recv(4096)
            if not chunk:
                return b""
            line += chunk
    except OSError:
        return b""
    return line


def _parse(connection: socket.socket, line: bytes) -> Link:
    message = json.loads(line)
    if "error" in message:
        connection.close()
        raise EmbeddedError.from_wire(message["error"])
    return Link(connection, **message["ready"])


def _lost(spec: Spec, words: str) -> KeeperError:
    log = (
        spec.log.read_bytes()[-2000:].decode(errors="replace").strip() if spec.log.exists() else ""
    )
    return KeeperError(f"{words}\n{log}".strip(), hint=f"see {spec.log}")
