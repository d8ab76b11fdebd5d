"""absurd: checkpointed steps inside a task of one worker, not through a queue; async, uvloop.

Its schema comes from its own `absurdctl`, which needs psql on the PATH.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import uvloop
from absurd_sdk import AsyncAbsurd, AsyncTaskContext
from psycopg.conninfo import conninfo_to_dict
from shared import CHAIN, asked, say, timed

_AT_ONCE = 100


async def nothing() -> None:
    """Do nothing, durably."""


async def chain(_params: Any, ctx: AsyncTaskContext) -> None:
    for n in range(CHAIN):
        await ctx.step(f"s{n}", nothing)


async def fan(params: Any, ctx: AsyncTaskContext) -> None:
    await ctx.step("a", nothing)
    await asyncio.gather(*(ctx.step(f"s{n}", nothing) for n in range(params["width"] - 2)))
    await ctx.step("z", nothing)


async def played(app: AsyncAbsurd, name: str, width: int = 0, count: int = 1) -> None:
    """Spawn so many tasks and wait until all have ended."""
    spawned = [await app.spawn(name, {"width": width}) for _ in range(count)]
    for one in spawned:
        ended = await app.await_task_result(one["task_id"], timeout=500)
        assert ended.state == "completed", ended


async def main() -> None:
    address, count, width = asked()
    where = conninfo_to_dict(address)
    url = f"postgresql://{where['user']}@/{where['dbname']}?host={where['host']}"
    ctl = Path(sys.executable).parent / "absurdctl"
    env = {**os.environ, "ABSURD_DATABASE_URL": url}
    subprocess.run([ctl, "init"], env=env, check=True, stdout=subprocess.DEVNULL)  # noqa: S603, ASYNC221  # before anything runs
    app, worker = AsyncAbsurd(url), AsyncAbsurd(url)
    await app.create_queue()
    for each in (app, worker):
        each.register_task("chain")(chain)
        each.register_task("fan")(fan)
    working = asyncio.create_task(
        worker.start_worker(concurrency=_AT_ONCE, batch_size=_AT_ONCE, poll_interval=0.01)
    )
    await played(app, "fan", 5, 20)
    say(
        await timed(played(app, "chain")),
        await timed(played(app, "fan", width)),
        await timed(played(app, "fan", 5, count)),
    )
    worker.stop_worker()
    working.cancel()


uvloop.run(main())
