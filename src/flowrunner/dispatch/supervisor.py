"""Hold one agent on a leash: neither it nor what it started outlives whoever started us.

Run as `python -I -S supervisor.py LEASH STATUS WATCHDOG GRACE SCRATCH ARGV...`, with nothing but
the standard library. The agent gets our standard streams, environment and directory. On the leash
the worker writes `.` (alive), `T` (stop) or `K` (kill); its end, or silence for WATCHDOG seconds,
says that the worker is gone or hangs. On the status pipe we write lines:

    pid NUMBER | refused ERRNO | end CAUSE WAITSTATUS LEFT

WAITSTATUS is the agent's, -1 if it never ended; LEFT counts processes that even SIGKILL did not
end. SCRATCH is removed at the end, because nobody else may be there to do it.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36
_STRAGGLER_SECONDS = 0.5
PATIENCE_SHARE = 0.25
"""Of the watchdog's time: what agents of a lost worker get between SIGTERM and SIGKILL."""
_KILL_SECONDS = 5.0
_OVERSLEPT_SECONDS = 1.0
_PAUSE_MILLISECONDS = 20
_PROC = Path("/proc")


def main(argv: list[str]) -> int:
    """Run the agent to its end, or to the worker's, and leave nothing behind."""
    leash, status = int(argv[1]), int(argv[2])
    watchdog, grace, scratch, command = float(argv[3]), float(argv[4]), argv[5], argv[6:]
    os.set_inheritable(leash, False)
    os.set_inheritable(status, False)
    wake = _hear_signals()
    _prctl(_SET_CHILD_SUBREAPER, 1)
    watch = Watch(_start(command, status), leash, wake)
    cause, left = "broken", 0
    try:
        _tell(status, f"pid {watch.agent}")
        cause = watch.wait(watchdog)
    finally:
        left = watch.end_all(_patience(cause, grace, watchdog))
        _remove(scratch)
    _tell(status, f"end {cause} {watch.status} {left}")
    return 0


def _patience(cause: str, grace: float, watchdog: float) -> float:
    """How many seconds lie between asking politely and killing."""
    match cause:
        case "ended":
            return _STRAGGLER_SECONDS
        case "stopped":
            return grace
        case "worker_gone" | "worker_silent":
            return min(grace, watchdog * PATIENCE_SHARE)
        case _:
            return 0.0


class Watch:
    """One agent, the two pipes that concern it, and how it ended."""

    def __init__(self, agent: int, leash: int, wake: int) -> None:
        self.agent = agent
        self.status = -1
        self._leash = leash
        self._wake = wake
        self._poll = select.poll()
        self._poll.register(leash, select.POLLIN)
        self._poll.register(wake, select.POLLIN)

    def wait(self, watchdog: float) -> str:
        """Return why it is time to end: the agent did, or somebody wants it, or nobody is there."""
        beat = time.monotonic()
        while True:
            due = beat + watchdog
            ready = self._listen(due - time.monotonic())
            now = time.monotonic()
            if self._wake in ready and signal.SIGTERM in os.read(self._wake, 4096):
                return "stopped"
            if self._reap():
                return "ended"
            if self._leash in ready:
                order = self._order()
                if order:
                    return order
                beat = now
            elif now > due + _OVERSLEPT_SECONDS:
                beat = now  # We were suspended, and so probably was the worker: its turn first.
            elif now >= due:
                return "worker_silent"

    def end_all(self, patience: float) -> int:
        """End the agent and all that descends from it; return how many are left."""
        if patience and self._signal_all(signal.SIGTERM):
            self._signal_all(signal.SIGCONT)
            self._wait_for_end(patience)
        deadline = time.monotonic() + _KILL_SECONDS
        while left := self._signal_all(signal.SIGKILL):
            if time.monotonic() > deadline:
                break
            time.sleep(_PAUSE_MILLISECONDS / 1000)
            self._reap()
        self._reap()
        return left

    def _wait_for_end(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            ready = self._listen(_PAUSE_MILLISECONDS / 1000)
            if self._wake in ready:
                os.read(self._wake, 4096)
            if self._leash in ready and self._order() in {"killed", "worker_gone"}:
                return
            self._reap()
            if not any(alive for _, alive in family(self.agent)):
                return

    def _listen(self, seconds: float) -> set[int]:
        return {fd for fd, _ in self._poll.poll(max(0.0, seconds) * 1000)}

    def _order(self) -> str:
        said = os.read(self._leash, 4096)
        if not said:
            return "worker_gone"
        return "killed" if b"K" in said else "stopped" if b"T" in said else ""

    def _reap(self) -> bool:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            if pid == self.agent:
                self.status = status
        return self.status != -1

    def _signal_all(self, number: signal.Signals) -> int:
        """Signal the whole family, also those who left their session; return who was alive."""
        count = 0
        for pid, alive in family(self.agent):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
            except PermissionError:
                pass  # It changed its user: to be counted, since it stays.
            count += alive
        return count


def family(agent: int, proc: Path = _PROC) -> list[tuple[int, bool]]:
    """Return all that descends from us, and whether each is alive and not only unreaped.

    As the reaper of orphans we are everybody's ancestor, whatever session they moved to. Where
    the system shows no processes it is the agent's own group, under its negative number.
    """
    if not proc.is_dir():
        return [(-agent, _is_group(agent))]
    children: dict[int, list[tuple[int, bool]]] = {}
    for entry in proc.iterdir():
        if entry.name.isdigit():
            state, parent = _state_and_parent(entry)
            children.setdefault(parent, []).append((int(entry.name), state != b"Z"))
    found = children.get(os.getpid(), [])
    for pid, _ in found:
        found.extend(children.get(pid, []))
    return found


def _is_group(number: int) -> bool:
    try:
        os.killpg(number, 0)
    except ProcessLookupError:
        return False
    return True


def _state_and_parent(entry: Path) -> tuple[bytes, int]:
    try:
        # The name, in brackets, may hold anything.
        state, parent = (entry / "stat").read_bytes().rpartition(b")")[2].split()[:2]
    except OSError:
        return b"Z", -1
    return state, int(parent)


def _start(command: list[str], status: int) -> int:
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            _prctl(_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() == parent:
                _reset_signals()
                os.execv(command[0], command)  # noqa: S606  # no shell: that is the point
        except OSError as exc:
            _tell(status, f"refused {exc.errno}")
        finally:
            os._exit(127)
    return pid


def _hear_signals() -> int:
    """Return a descriptor on which the numbers of signals arrive."""
    wake, written = os.pipe()
    os.set_blocking(written, False)
    signal.set_wakeup_fd(written, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda _number, _frame: None)
    return wake


def _reset_signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _prctl(option: int, argument: int) -> None:
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(option, argument, 0, 0, 0) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))


def _tell(status: int, line: str) -> None:
    with suppress(BrokenPipeError):  # Nobody reads any more.
        os.write(status, f"{line}\n".encode())


def _remove(folder: str) -> None:
    """Remove what the agent left in its private folder; the worker looks again and tells."""
    for here, folders, _ in os.walk(folder):
        for path in (Path(here, name) for name in folders):
            if not path.is_symlink():
                with suppress(OSError):
                    path.chmod(0o700)
    for here, folders, files in os.walk(folder, topdown=False):
        for path in (Path(here, name) for name in (*files, *folders)):
            _unlink(path)
    _unlink(Path(folder))


def _unlink(path: Path) -> None:
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink()


if __name__ == "__main__":
    sys.exit(main(sys.argv))
