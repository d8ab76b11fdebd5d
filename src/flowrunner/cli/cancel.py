"""`cancel RUN...`: stop runs for good."""

from __future__ import annotations

import click

from flowrunner.cli.connect import Connection, Own, connected
from flowrunner.cli.exits import Ending, Exit, ending_of
from flowrunner.cli.shell import Shell, takes_shell
from flowrunner.client import RefusedError
from flowrunner.wire.runs import CancelReply


@click.command("cancel")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True)
@click.option("--reason", default="", help="Kept with the run.")
@takes_shell
def command(shell: Shell, *, runs: tuple[str, ...], reason: str) -> None:
    """Stop every RUN for good: its agents are stopped at once, finished steps are kept."""
    with connected(shell, Own.ENGINE) as connection:
        done = [(run, _cancel(connection, run, reason)) for run in runs]
    worst = Exit.OK
    for run, told in done:
        if isinstance(told, Ending):
            worst = worst or told.exit_code
            for line in told.lines():
                shell.tell(f"{run}: {line}")
        elif not shell.as_json:
            shell.say(f"{told.id} {'cancelled' if told.was_live else 'was cancelled before'}")
    if shell.as_json:
        shell.answer([_told(told) for _run, told in done])
    raise click.exceptions.Exit(int(worst))


def _cancel(connection: Connection, run: str, reason: str) -> CancelReply | Ending:
    try:
        return connection.client.cancel_run(run, reason)
    except RefusedError as error:
        ending = ending_of(error)
        assert ending is not None  # noqa: S101  # a refusal has one
        return ending


def _told(told: CancelReply | Ending) -> dict[str, object]:
    return told.to_json() if isinstance(told, Ending) else told.model_dump(mode="json")
