"""The watched agent, but one key fails in its first attempt.

Run as `python -I -S agent.py LOG GATES`, like the agent that it is otherwise.
"""

from __future__ import annotations

import io
import os
import runpy
import sys
from pathlib import Path

WATCHED = Path(__file__).parents[1] / "chaos" / "agent.py"


def main() -> None:
    orders = sys.stdin.read()
    is_first = os.environ["FLOWRUNNER_TASK_ID"].endswith(".1")
    if '"key": "flaky"' in orders and is_first:
        sys.exit(1)
    sys.stdin = io.StringIO(orders)
    runpy.run_path(str(WATCHED), run_name="__main__")


if __name__ == "__main__":
    main()
