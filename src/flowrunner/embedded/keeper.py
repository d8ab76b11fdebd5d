"""The keeper: owns one postgres, restarts it when it falls, leaves when its last client has left.

Started by a client as `python -m flowrunner.embedded.keeper SPEC LOCK_FD SOCKET_FD`, with the lock
of the data folder already held: who has the lock is the keeper, so there is never a second one.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from pathlib import Path
from types import FrameType
from typing import TypedDict

from flowrunner.embedded.account import Account, admit, choose_account
from flowrunner.embedded.data_directory import ensure_data_directory
from flowrunner.embedded.door import Door
from flowrunner.embedded.errors import EmbeddedError, FolderError, StartError
from flowrunner.embedded.orphans import clear_previous
from flowrunner.embedded.patience import Patience
from flowrunner.embedded.postmaster import Postmaster, start_postmaster
from flowrunner.embedded.spec import Spec, open_socket_folder

START_SECONDS = 60.0
_LOOK_SECONDS = 0.01


class Ready(TypedDict):
    """The keeper's answer to a client."""

    host: str
    keeper: int
    durable: bool
    settings: dict[str, str]


class Keeper:
    def __init__(self, spec: Spec, door: Door, account: Account, folder: Path) -> None:
        self._spec = spec
        self._door = door
        self._account = account
        self._folder = folder
        self._patience = Patience()
        self._was_ready = False
        self._terminations = 0
        self._postmaster = self._start()

    def keep(self) -> None:
        """Look after postgres until nobody needs it. Raises StartError when there is no hope."""
        try:
            while not self._is_over():
                signals = self._door.wait(self._pause())
                self._terminations += signals.count(signal.SIGTERM)
                self._look_after(time.monotonic())
            self._door.close()
        finally:
            self._postmaster.stop()

    def _start(self) -> Postmaster:
        self._again_at: float | None = None
        self._ready_at: float | None = None
        self._started_at = time.monotonic()
        clear_previous(self._spec.pgdata, self._folder)
        return start_postmaster(self._spec, self._account, self._folder)

    def _linger(self) -> float:
        """Take SIGTERM as "when they have left", and a second one as "now".

        A whole process group is told at once, and the service in it has work to bring home.
        """
        return 0.0 if self._terminations else self._spec.linger

    def _is_over(self) -> bool:
        empty_for = self._door.empty_for()
        if empty_for is None or self._linger() > 0:
            self._door.see_off()
        return self._terminations > 1 or (empty_for is not None and empty_for >= self._linger())

    def _pause(self) -> float | None:
        """Return how long nothing needs doing unless something happens; None is for ever."""
        pauses: list[float] = []
        if self._again_at is not None:
            pauses.append(self._again_at - time.monotonic())
        elif self._ready_at is None:
            pauses.append(_LOOK_SECONDS)
        if (empty_for := self._door.empty_for()) is not None:
            pauses.append(self._linger() - empty_for)
        return max(0.0, min(pauses)) if pauses else None

    def _look_after(self, now: float) -> None:
        if self._again_at is not None:
            if now >= self._again_at:
                self._postmaster = self._start()
        elif (code := self._postmaster.exit_code()) is not None:
            self._has_fallen(code, now)
        elif self._ready_at is None and self._postmaster.is_ready():
            self._ready_at = now
            self._was_ready = True
        elif self._ready_at is None and now - self._started_at > START_SECONDS:
            raise self._hopeless(f"postgres is not ready after {START_SECONDS:.0f} s")
        if self._ready_at is not None:
            self._door.answer(self._answer())

    def _has_fallen(self, code: int, now: float) -> None:
        pause = self._patience.after_fall(0.0 if self._ready_at is None else now - self._ready_at)
        self._ready_at = None
        hopeful = self._was_ready or self._postmaster.fell_over_its_predecessor()
        if pause is None or not hopeful:
            raise self._hopeless(f"postgres ended with {code}: {self._postmaster.last_words()}")
        _note(f"postgres ended with {code}; starting it again in {pause} s")
        self._again_at = now + pause

    def _hopeless(self, words: str) -> StartError:
        return StartError(words, hint=f"see {self._spec.log}")

    def _answer(self) -> bytes:
        ready: Ready = {
            "host": str(self._folder),
            "keeper": os.getpid(),
            "durable": self._spec.durable,
            "settings": dict(self._spec.settings),
        }
        return _line({"ready": ready})


def main(argv: list[str]) -> None:
    spec, lock, first = Spec.from_json(argv[1]), int(argv[2]), socket.socket(fileno=int(argv[3]))
    # Our parent may be a service that reaps no children of its own; init does.
    if os.fork() != 0:
        os._exit(0)
    for handle in (lock, first.fileno()):
        os.set_inheritable(handle, False)
    os.umask(0o077)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, _wake_up)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    door = Door(first)
    try:
        _keep(spec, lock, door)
    except EmbeddedError as exc:
        _give_up(door, exc)
    except OSError as exc:
        _give_up(door, FolderError(f"{exc.filename}: {exc.strerror}", hint=f"see {spec.log}"))


def _keep(spec: Spec, lock: int, door: Door) -> None:
    account = choose_account(spec.mode)
    folder = open_socket_folder(spec)
    path = folder / "keeper.sock"
    door.open(path)
    os.ftruncate(lock, 0)
    os.pwrite(lock, _line({"keeper": os.getpid(), "socket": str(path)}), 0)
    inner = _open_to(account, spec.home, folder)
    admit(account, spec.home, spec.bindir, folder)
    ensure_data_directory(spec, account)
    Keeper(spec, door, account, inner).keep()


def _open_to(account: Account, home: Path, folder: Path) -> Path:
    """Return the folder for postgres's own socket; in setuid mode, one that belongs to it."""
    if account.mode != "setuid":
        return folder
    for ours in (home, folder):
        ours.chmod(ours.stat().st_mode | 0o011)
    inner = folder / "pg"
    inner.mkdir(mode=0o700, exist_ok=True)
    os.chown(inner, account.uid, account.gid)
    return inner


def _wake_up(number: int, frame: FrameType | None) -> None:
    """Have the number written to the door's wake-up socket, which Python does for handlers only."""


def _give_up(door: Door, error: EmbeddedError) -> None:
    _note(f"{error.code}: {error}")
    door.announce(_line({"error": error.to_wire()}))
    door.close()


def _line(message: object) -> bytes:
    return json.dumps(message).encode() + b"\n"


def _note(words: str) -> None:
    sys.stderr.write(f"{time.strftime('%Y-%m-%d %H:%M:%S UTC', time.gmtime())} keeper: {words}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main(sys.argv)
