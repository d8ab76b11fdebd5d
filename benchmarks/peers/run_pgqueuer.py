"""pgqueuer: every step is a message of its queue. asyncpg, uvloop, batches of 100."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import asyncpg
import uvloop
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries
from psycopg.conninfo import conninfo_to_dict
from shared import Runs, asked, say, timed


async def main() -> None:
    address, count, width = asked()
    where = conninfo_to_dict(address)
    where = {"host": where["host"], "user": where["user"], "database": where["dbname"]}
    one, two = await asyncpg.connect(**where), await asyncpg.connect(**where)
    queries = Queries(AsyncpgDriver(two))
    await queries.install()

    async def put(steps: list[str]) -> None:
        await queries.enqueue(
            ["step"] * len(steps), [step.encode() for step in steps], [0] * len(steps)
        )

    runs = Runs(put)
    queue = PgQueuer(AsyncpgDriver(one))

    @queue.entrypoint("step")
    async def step(job: Job) -> None:
        assert job.payload is not None
        await runs.ended(job.payload.decode())

    working = asyncio.create_task(queue.run(dequeue_timeout=timedelta(seconds=1), batch_size=100))
    await runs.many(20)
    say(await timed(runs.chain()), await timed(runs.fan(width)), await timed(runs.many(count)))
    queue.shutdown.set()
    working.cancel()


uvloop.run(main())
