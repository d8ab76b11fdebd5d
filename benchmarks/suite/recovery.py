"""Kill -9 in the middle of 1,000 runs of three steps: how long until another has ended them.

*Twice*: steps executed again, which is at-least-once's nature; *effects* applied twice is a defect.
"""

from __future__ import annotations

import asyncio
import os
import time

from flowrunner.bootstrap import Addresses
from suite.processes import replica
from suite.stage import Figures, Stage

_LEASE = 10
_SETTINGS = {
    "lease_seconds": _LEASE,
    "renew_seconds": 2,
    "lease_margin_seconds": 2,
    "reap_seconds": 1,
    "code_slots": 32,
}
_DOUBLE = """
SELECT count(*) FROM (SELECT FROM flow_step_events WHERE type = 'step.completed'
                       GROUP BY run_id, step_no HAVING count(*) > 1) x
"""
_BAD = "SELECT count(*) FROM flow_runs WHERE status <> 'completed'"


async def measure(stage: Stage) -> Figures:
    runs = stage.size(1_000, 100)
    trace = stage.folder / "trace"
    trace.unlink(missing_ok=True)
    os.environ["BENCH_TRACE"] = str(trace)
    with stage.database() as addresses:
        # PostgreSQL's own start must be longer ago than the reaper's grace.
        await asyncio.sleep(stage.size(11, 11))
        seconds = await asyncio.to_thread(_recover, stage, addresses, runs)
        with stage.admin(addresses) as conn:
            (double,) = conn.execute(_DOUBLE).fetchone() or (0,)
            (bad,) = conn.execute(_BAD).fetchone() or (0,)
    assert bad == 0, bad
    lines = trace.read_text(encoding="ascii").splitlines()
    return {
        "recovery_seconds": seconds,
        "recovery_after_lease_seconds": seconds - _LEASE,
        "recovery_steps_executed_again": len(lines) - len(set(lines)),
        "recovery_effects_twice": double,
    }


def _recover(stage: Stage, addresses: Addresses, runs: int) -> float:
    with stage.admin(addresses) as conn:
        ended = "SELECT count(*) FROM flow_steps WHERE status = 'completed'"
        live = "SELECT count(*) FROM live_runs"
        with replica(stage, addresses, **_SETTINGS) as first:
            first.tell(f"launch traced {runs}")
            while (conn.execute(ended).fetchone() or (0,))[0] < runs:
                time.sleep(0.02)
            first.kill()
        killed = time.monotonic()
        with replica(stage, addresses, **_SETTINGS):
            while (conn.execute(live).fetchone() or (0,))[0]:
                time.sleep(0.02)
            return time.monotonic() - killed
