"""What a killed keeper left behind: a postmaster on its way out, a zombie, or only its pid file."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal

State = Literal["gone", "dead", "ours", "other"]

_PATIENCE = ((signal.SIGINT, 60.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 5.0))


def clear_previous(pgdata: Path, socket_folder: Path) -> None:
    """Make way for a new postmaster. Call with the lock of the data folder held.

    A live one of this folder is stopped: nobody watches over it any more. A pid file that names a
    zombie (nobody reaped it yet) or a stranger (pids start again in every container) is removed,
    for postgres would take either for a live rival; so is the lock of the socket, which has the
    same pid in it. That cannot let two servers onto one data folder: postgres also refuses while
    any process is attached to the shared memory of the old one.
    """
    pid = recorded_pid(pgdata)
    if pid is not None:
        _stop(pid, pgdata)
        if state_of(pid, pgdata) in {"dead", "other"}:
            (pgdata / "postmaster.pid").unlink(missing_ok=True)
    (socket_folder / ".s.PGSQL.5432.lock").unlink(missing_ok=True)


def recorded_pid(pgdata: Path) -> int | None:
    """Return the pid in postmaster.pid, or None if there is no whole one."""
    try:
        return int((pgdata / "postmaster.pid").read_text(errors="replace").split("\n", 1)[0])
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def state_of(pid: int, pgdata: Path) -> State:
    """Tell what process *pid* is to *pgdata*; a zombie is dead, though kill(pid, 0) finds it."""
    found = _look_in_proc(pid) if sys.platform == "linux" else _ask_ps(pid)
    if found is None:
        return "gone"
    state, words = found
    if state in "ZX":
        return "dead"
    return "ours" if os.fsencode(pgdata) in words else "other"


def _stop(pid: int, pgdata: Path) -> None:
    for last_signal, seconds in _PATIENCE:
        if state_of(pid, pgdata) != "ours":
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, last_signal)
        _wait_while_ours(pid, pgdata, seconds)


def _wait_while_ours(pid: int, pgdata: Path, seconds: float) -> None:
    end = time.monotonic() + seconds
    while state_of(pid, pgdata) == "ours" and time.monotonic() < end:
        time.sleep(0.01)


def _look_in_proc(pid: int) -> tuple[str, list[bytes]] | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the name in parentheses, which may itself hold parentheses and spaces.
    return stat.rpartition(b")")[2].split()[0].decode(), words


def _ask_ps(pid: int) -> tuple[str, list[bytes]] | None:
    command = ["/bin/ps", "-ww", "-o", "stat=,args=", "-p", str(pid)]
    done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603
    state, _, args = done.stdout.strip().partition(b" ")
    if not state:
        return None
    _, _, folder = args.partition(b" -D ")
    return chr(state[0]), [folder.partition(b" -c ")[0].strip()]
