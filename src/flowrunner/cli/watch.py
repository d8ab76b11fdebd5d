"""`watch RUN`: follow a run that was launched before."""

from __future__ import annotations

from typing import Any

import click

from flowrunner.cli.connect import Own, connected
from flowrunner.cli.ending import see_it_through
from flowrunner.cli.shell import Shell, takes_shell
from flowrunner.cli.watching import Wanted, takes_watching


@click.command("watch")
@click.argument("run", default="@last")
@takes_watching
@takes_shell
def command(shell: Shell, *, run: str, **options: Any) -> None:
    """Follow RUN (an id, 4 or more of its characters, @last) to its end; exit as it ended.

    Without a server, one is started that takes the run up again.
    """
    wanted = Wanted.of(options)
    with connected(shell, Own.WORKER) as connection:
        code = see_it_through(shell, connection, connection.client.get_run(run), wanted)
    raise click.exceptions.Exit(int(code))
