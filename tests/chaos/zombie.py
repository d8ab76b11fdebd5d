"""A dispatcher that fences nothing: it claims one task, and reports when it is told to.

Run as `python zombie.py ADDRESS LEASE`, it prints the task's id; for each line on stdin it reports
that line as the answer, under the epoch it once had.
"""

from __future__ import annotations

import os
import sys
import time
import uuid
from typing import Any

import psycopg

REGISTER = "SELECT register_worker_v1(%s, 'zombie', '', %s, '{default}', 1, '1', %s)"
CLAIM = "SELECT task_id, epoch FROM claim_v1(%s, '{default}', 1)"
REPORT = "SELECT report_v1(%s, %s, 'completed', %s)"


def main(address: str, lease: float) -> None:
    me = uuid.uuid4()
    with psycopg.connect(address, autocommit=True) as conn:
        conn.execute(REGISTER, (me, os.getpid(), lease))
        task, epoch = until(conn, me)
        sys.stdout.write(f"{task}\n")
        sys.stdout.flush()
        for line in sys.stdin:
            conn.execute(REPORT, (task, epoch, line.strip()))


def until(conn: psycopg.Connection[Any], me: uuid.UUID) -> tuple[str, int]:
    """Look until there is a task."""
    while (found := conn.execute(CLAIM, (me,)).fetchone()) is None:
        time.sleep(0.02)
    return found[0], found[1]


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
