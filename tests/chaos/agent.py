"""An agent that can be watched: it notes when it begins and ends, and waits for a gate to open.

Run as `python -I -S agent.py LOG GATES` with its orders as JSON on stdin. It and a child that left
its session hold a lock of their step: the kernel tells, by its own words, whether two attempts of
one step were alive at once, however either of them ended.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType


class Diary:
    """One line per event, each written at once, in the order in which things happened."""

    def __init__(self, log: Path, key: str) -> None:
        self._file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._about = {"task": os.environ["FLOWRUNNER_TASK_ID"], "key": key, "pid": os.getpid()}

    def note(self, what: str, **more: int) -> None:
        line = {"at": time.monotonic(), "what": what, **self._about, **more}
        os.write(self._file, json.dumps(line).encode() + b"\n")


def main(log: Path, gates: Path) -> None:
    orders = json.load(sys.stdin)
    diary = Diary(log, orders["key"])
    lock = Path(f"{log}.{diary_name()}").open("a")  # noqa: SIM115  # held to the very end
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        diary.note("overlap")

    def asked(_number: int, _frame: FrameType | None) -> None:
        diary.note("term")
        if not orders["is_stubborn"]:
            sys.exit(1)

    signal.signal(signal.SIGTERM, asked)
    diary.note("start", shadow=_shadow())
    until(gates / orders["key"], gates / orders["gate"])
    sys.stdout.write(f"{orders['key']} has seen {orders['heard']}\n")
    sys.stdout.flush()
    diary.note("stop")


def diary_name() -> str:
    """The step of the run, whichever attempt it is."""
    return os.environ["FLOWRUNNER_TASK_ID"].rpartition(".")[0]


def until(*gates: Path) -> None:
    """Wait for one of the gates to open."""
    while not any(gate.exists() for gate in gates):
        time.sleep(0.01)


def _shadow() -> int:
    child = os.fork()
    if child == 0:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        # It must not hold the agent's output open, nor end before it is made to.
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        while True:
            signal.pause()
    return child


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
