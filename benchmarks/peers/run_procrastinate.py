"""procrastinate: every step is a task; 100 at once, deleted at their end, deferred in bulk."""

from __future__ import annotations

import asyncio

from procrastinate import App, PsycopgConnector
from shared import Runs, asked, say, timed


async def main() -> None:
    address, count, width = asked()
    app = App(connector=PsycopgConnector(conninfo=address, max_size=20))

    async def put(steps: list[str]) -> None:
        if len(steps) == 1:
            await work.defer_async(step=steps[0])
        else:
            await work.batch_defer_async(*({"step": step} for step in steps))

    runs = Runs(put)

    @app.task(name="step")
    async def work(step: str) -> None:
        await runs.ended(step)

    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        working = asyncio.create_task(
            app.run_worker_async(
                concurrency=100, delete_jobs="always", install_signal_handlers=False
            )
        )
        await runs.many(20)
        say(await timed(runs.chain()), await timed(runs.fan(width)), await timed(runs.many(count)))
        working.cancel()


asyncio.run(main())
