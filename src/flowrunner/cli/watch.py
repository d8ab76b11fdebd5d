"""`watch RUN`: follow a run that was launched before."""

from __future__ import annotations

from pathlib import Path

import click

from flowrunner.cli.connect import Own, connected
from flowrunner.cli.ending import Wanted, see_it_through
from flowrunner.cli.shell import Shell, takes_shell


@click.command("watch")
@click.argument("run", default="@last")
@click.option("--report", is_flag=True, help="Print the report on stdout at the end.")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the report there.",
)
@click.option("--fail-on", metavar="outcome=VALUE", help="Exit with 11 if that is the outcome.")
@takes_shell
def command(
    shell: Shell, *, run: str, report: bool, output: Path | None, fail_on: str | None
) -> None:
    """Follow RUN (an id, 4 or more of its characters, @last) to its end; exit as it ended.

    Without a server, one is started that takes the run up again.
    """
    wanted = Wanted.of(report=report, output=output, fail_on=fail_on)
    with connected(shell, Own.WORKER) as connection:
        found = connection.client.get_run(run)
        code = see_it_through(shell, connection, str(found.id), wanted)
    raise click.exceptions.Exit(int(code))
