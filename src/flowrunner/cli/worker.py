"""`worker`: agents for a service that runs elsewhere, over its database."""

from __future__ import annotations

import asyncio

import click

from flowrunner.bootstrap import Addresses, open_database
from flowrunner.bootstrap.working import working
from flowrunner.cli.configure import configure
from flowrunner.cli.shell import Shell, takes_shell
from flowrunner.dispatch.standalone import run_until_signalled
from flowrunner.settings import Settings


@click.command("worker")
@click.option("-Q", "--queue", "queues", multiple=True, help="Serve only these queues.")
@click.option("--slots", type=click.IntRange(1, 1000), help="How many agents run at once.")
@click.option("--drain", type=click.FloatRange(0), metavar="SECONDS", help="How long a stop waits.")
@takes_shell
def command(
    shell: Shell, *, queues: tuple[str, ...], slots: int | None, drain: float | None
) -> None:
    """Run agents until SIGTERM or Ctrl-C, then let them end; a second one stops them at once."""
    settings = configure(shell, queues=queues or None, slots=slots, drain_seconds=drain)
    with open_database(settings) as addresses:
        asyncio.run(_work(shell, settings, addresses))


async def _work(shell: Shell, settings: Settings, addresses: Addresses) -> None:
    ready = asyncio.Event()

    async def greet() -> None:
        await ready.wait()
        queues = ", ".join(settings.queues)
        shell.tell(f"worker of {queues} with {settings.slots} slots is ready; Ctrl-C drains")

    async with working(settings, addresses) as worker:
        greeting = asyncio.create_task(greet())
        try:
            await run_until_signalled(worker, ready)
        finally:
            greeting.cancel()
