"""10,000 runs in flight: the memory they take where they live, and a start among them."""

from __future__ import annotations

import asyncio
import time

from flowrunner.bootstrap import Addresses
from suite.processes import Replica, replica
from suite.stage import Figures, Stage, resident_bytes


async def measure(stage: Stage) -> Figures:
    runs = stage.size(10_000, 500)
    with stage.database() as addresses:
        return await asyncio.to_thread(_measure, stage, addresses, runs)


def _measure(stage: Stage, addresses: Addresses, runs: int) -> Figures:
    with replica(stage, addresses) as first:
        _launch(first, "agent", 100)
        time.sleep(1)
        before = resident_bytes(first.process.pid)
        began = time.monotonic()
        _launch(first, "agent", runs)
        launched = time.monotonic() - began
        grown = resident_bytes(first.process.pid) - before
    began = time.monotonic()
    with replica(stage, addresses) as second:
        ready = time.monotonic() - began
        with stage.admin(addresses) as conn:
            _launch(second, "clock", 1)
            done = "SELECT count(*) FROM flow_runs WHERE status = 'completed'"
            while not (conn.execute(done).fetchone() or (0,))[0]:
                time.sleep(0.005)
        first_run = time.monotonic() - began
        memory = resident_bytes(second.process.pid)
    return {
        "launches_per_second": runs / launched,
        "resident_10000_megabytes": grown / runs * 10_000 / 1e6,
        "startup_ready_seconds": ready,
        "startup_first_run_seconds": first_run,
        "startup_megabytes": memory / 1e6,
    }


def _launch(one: Replica, flow: str, count: int) -> None:
    one.tell(f"launch {flow} {count}")
    one.hears("launched")
