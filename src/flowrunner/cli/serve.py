"""`serve`: the service, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import click

from flowrunner import __version__
from flowrunner.api.guard import check_bind
from flowrunner.bootstrap import Addresses, open_database
from flowrunner.bootstrap.collecting import collect_rarely
from flowrunner.bootstrap.serving import Served, serving, until_stopped
from flowrunner.cli.address import ServerAddress, remove_address, write_address
from flowrunner.cli.configure import configure
from flowrunner.cli.shell import Shell, takes_shell
from flowrunner.embedded.home import data_home
from flowrunner.settings import Settings


@click.command("serve")
@click.option("--host", help="Where to listen; beyond this machine only with FLOWRUNNER_TOKENS.")
@click.option("--port", type=click.IntRange(0, 65535), help="Default 8700; 0 for any.")
@click.option(
    "--flows",
    type=click.Path(file_okay=False, path_type=Path),
    multiple=True,
    help="Further folders with flows.",
)
@click.option("--slots", type=click.IntRange(1, 1000), help="How many agents run at once here.")
@click.option("--no-worker", is_flag=True, help="Run no agents here: workers elsewhere do.")
@takes_shell
def command(
    shell: Shell,
    *,
    host: str | None,
    port: int | None,
    flows: tuple[Path, ...],
    slots: int | None,
    no_worker: bool,
) -> None:
    """Run the service until SIGTERM or Ctrl-C; a second one stops without waiting for agents."""
    chosen = {"host": host, "port": port, "flows": flows or None, "slots": slots}
    settings = configure(shell, **chosen)
    check_bind(settings.host, [token.get_secret_value() for token in settings.tokens])
    with open_database(settings) as addresses, contextlib.suppress(asyncio.CancelledError):
        asyncio.run(_serve(shell, settings, addresses, with_worker=not no_worker))


async def _serve(
    shell: Shell, settings: Settings, addresses: Addresses, *, with_worker: bool
) -> None:
    folder = settings.data if settings.data is not None else data_home()
    pid = os.getpid()
    token = settings.tokens[0].get_secret_value() if settings.tokens else None
    async with serving(settings, addresses, with_worker=with_worker) as served:
        collect_rarely()
        write_address(folder, ServerAddress(_near(served.url), pid, token))
        try:
            _greet(shell, settings, addresses, served)
            await until_stopped(_hastener())
        finally:
            remove_address(folder, pid)


def _greet(shell: Shell, settings: Settings, addresses: Addresses, served: Served) -> None:
    where = "embedded" if addresses.is_embedded else "yours"
    names = ", ".join(served.service.flows.names()) or "none"
    slots = f"{settings.slots} slots" if served.worker else "none here"
    if shell.as_json:
        shell.answer({"url": served.url, "version": __version__, "pid": os.getpid()})
        return
    shell.say(f"flowrunner {__version__} at {served.url}/api/v1")
    shell.tell(f"  postgres {where}    worker {slots}    flows {names}")
    if not settings.tokens:
        shell.tell("  no token is asked for, since only this machine can connect")
    shell.tell("  Ctrl-C lets agents finish; twice stops at once")


def _hastener() -> Callable[[], None]:
    """Whoever asks twice does not wait: the drain is broken off, and agents are killed."""
    task = asyncio.current_task()

    def hasten() -> None:
        if task is not None:
            task.cancel()

    return hasten


def _near(url: str) -> str:
    """An address that listens everywhere is reached here by the loopback one."""
    return url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
