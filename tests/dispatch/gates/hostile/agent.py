"""The hostile agent: it says which of its attacks seemed to work, and leaves traps behind."""
# ruff: noqa: PTH101, PTH103, PTH211  # the system's own calls are the attacks

from __future__ import annotations

import json
import os
import select
import signal
import sys
from types import FrameType

from hostile import content, escapes, others
from hostile.ground import ATTACKS, HOME, LAST, PLAN, PROJECT, Act

ROOMS = (content, escapes, others)


def main() -> None:
    """Print what worked, and stay if the plan says so; then SIGTERM gets a last word of us."""
    if PLAN["stays"]:
        signal.signal(signal.SIGTERM, _last_word)
    worked = [(right, name) for right, name, act in [*ATTACKS, *LAST] if _works(right, act)]
    os.symlink(PROJECT, f"{HOME}/for-whoever-cleans-up")
    os.makedirs(f"{HOME}/locked/deep")
    os.chmod(f"{HOME}/locked", 0)
    sys.stdout.write(json.dumps(worked) + "\n")
    sys.stdout.flush()
    if PLAN["stays"]:
        select.select([], [], [], 60)


def _works(right: str, act: Act) -> bool:
    if right not in PLAN["rights"]:
        return False
    try:
        act()
    except (OSError, ValueError):
        return False
    return True


def _last_word(_number: int, _frame: FrameType | None) -> None:
    os.write(1, b"last word\n")
    os._exit(3)
