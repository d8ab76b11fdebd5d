"""dbos: durable steps inside a workflow's own process, not through a queue; async, uvloop."""

from __future__ import annotations

import asyncio

import uvloop
from dbos import DBOS, DBOSConfig
from psycopg.conninfo import conninfo_to_dict
from shared import CHAIN, asked, say, timed

_AT_ONCE = 100


@DBOS.step()
async def step() -> None:
    """Do nothing, durably."""


@DBOS.workflow()
async def chain() -> None:
    for _ in range(CHAIN):
        await step()


@DBOS.workflow()
async def fan(width: int) -> None:
    await step()
    await asyncio.gather(*(step() for _ in range(width - 2)))
    await step()


async def many(count: int) -> None:
    """So many runs, a hundred in flight."""
    room = asyncio.Semaphore(_AT_ONCE)

    async def one() -> None:
        async with room:
            await fan(5)

    await asyncio.gather(*(one() for _ in range(count)))


async def main() -> None:
    address, count, width = asked()
    where = conninfo_to_dict(address)
    url = f"postgresql://{where['user']}@/{where['dbname']}?host={where['host']}"
    config: DBOSConfig = {
        "name": "bench",
        "system_database_url": url,
        "sys_db_pool_size": 20,
        "log_level": "ERROR",
    }
    DBOS(config=config)
    DBOS.launch()
    await chain()
    say(await timed(chain()), await timed(fan(width)), await timed(many(count)))
    DBOS.destroy()


uvloop.run(main())
