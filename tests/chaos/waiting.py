"""Wait for a condition, with a deadline; the only place of these tests that sleeps."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], T], seconds: float = 20.0) -> T:
    """Return the first answer of *condition* that is true; AssertionError after *seconds*.

    It is asked once more after the deadline: a busy machine is no reason to fail.
    """
    end = time.monotonic() + seconds
    while True:
        is_last = time.monotonic() > end
        answer = condition()
        if answer:
            return answer
        assert not is_last, f"not within {seconds} s: the last answer was {answer!r}"
        time.sleep(0.005)


def is_alive(pid: int) -> bool:
    """Whether it runs; a process that only waits to be reaped does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(b")")[2].split()[0] not in {b"Z", b"X"}
