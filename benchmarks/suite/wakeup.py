"""From the commit that offers a task to a worker that has it: in the same process, and in another.

The other one hears NOTIFY and claims, as any dispatcher does; the service is otherwise idle.
"""

from __future__ import annotations

import asyncio
import threading
import time
from uuid import uuid4

import psycopg

from flowrunner.bootstrap import Addresses, Service
from suite.stage import Figures, Stage, ended, launch

_CLAIM = "SELECT run_id FROM claim_v1(%s, %s, 1)"
_REGISTER = "SELECT register_worker_v1(%s, 'bench', 'here', 1, %s, 1, '0', 3600)"
_BEGUN = """
SELECT s.run_id, convert_from(p.body, 'UTF8')::float8
  FROM flow_steps s JOIN payloads p ON p.ref = s.output_ref WHERE s.run_id = ANY (%s)
"""
_PAUSE = 0.02


async def measure(stage: Stage) -> Figures:
    count = stage.size(300, 50)
    async with stage.service() as service:
        local = await _local(service, count)
        remote = await _remote(service, count)
    return {**_percentiles("wakeup_local", local), **_percentiles("wakeup_remote", remote)}


async def _local(service: Service, count: int) -> list[float]:
    committed: dict[object, float] = {}
    for _ in range(count):
        (run,) = await launch(service, "clock")
        committed[run] = time.monotonic()
        await asyncio.sleep(_PAUSE)
    await ended(service)
    async with service.pool.connection() as conn:
        rows = await (await conn.execute(_BEGUN, (list(committed),))).fetchall()
    return [begun - committed[run] for run, begun in rows]


async def _remote(service: Service, count: int) -> list[float]:
    claimed: dict[object, float] = {}
    worker = threading.Thread(target=_work, args=(service.addresses, claimed, count), daemon=True)
    worker.start()
    await asyncio.sleep(0.5)
    committed: dict[object, float] = {}
    for _ in range(count):
        (run,) = await launch(service, "agent")
        committed[run] = time.monotonic()
        await asyncio.sleep(_PAUSE)
    await asyncio.to_thread(worker.join, 30)
    assert len(claimed) == count, (len(claimed), count)
    return [claimed[run] - committed[run] for run in committed]


def _work(addresses: Addresses, claimed: dict[object, float], count: int) -> None:
    """Listen and claim, and note when each task was in hand."""
    me = uuid4()
    with psycopg.connect(addresses.database, autocommit=True) as conn:
        conn.execute(_REGISTER, (me, ["default"]))
        conn.execute("LISTEN tasks_new")
        while len(claimed) < count:
            for _notify in conn.notifies(timeout=2, stop_after=1):
                pass
            while row := conn.execute(_CLAIM, (me, ["default"])).fetchone():
                claimed[row[0]] = time.monotonic()


def _percentiles(name: str, seconds: list[float]) -> Figures:
    ordered = sorted(seconds)
    return {
        f"{name}_p50_ms": ordered[len(ordered) // 2] * 1000,
        f"{name}_p99_ms": ordered[int(len(ordered) * 0.99)] * 1000,
    }
