"""A process that serves looks for garbage rarely, and not at what it will always keep."""

from __future__ import annotations

import subprocess
import sys

_PROGRAM = """
import gc
from flowrunner.bootstrap.collecting import collect_rarely

collect_rarely()
assert gc.isenabled()
assert gc.get_freeze_count() > 10_000, gc.get_freeze_count()
before = gc.get_stats()[0]["collections"]
kept = [[] for _ in range(10_000)]
assert gc.get_stats()[0]["collections"] == before
waste = []
for _ in range(30_000):
    waste = [waste]
    waste.append(waste)
assert gc.get_stats()[0]["collections"] > before
"""


def test_garbage_is_still_collected_but_rarely() -> None:
    """DESIGN section 6: what is loaded is left out; ten thousand new objects are no reason yet."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
