"""`rerun RUN`: launch once more what was launched before, as a new run."""

from __future__ import annotations

import click

from flowrunner.cli.arguments import read_arguments
from flowrunner.cli.connect import Own, connected
from flowrunner.cli.ending import see_it_through
from flowrunner.cli.exits import CommandError, Exit
from flowrunner.cli.shell import Shell, takes_shell
from flowrunner.cli.watching import Wanted

_HELP = """Launch RUN again: a new run with the same input, project, band, agent and labels.

\b
KEY=VALUE    another text       KEY:=JSON   any other value; KEY:=null takes it away
KEY=@FILE    a file's text      KEY=-       stdin's text

The new run is labelled `rerun_of`. To go on with the same run, and keep what completed: retry.
"""


@click.command("rerun", help=_HELP)
@click.argument("run")
@click.argument("words", metavar="[KEY=VALUE]...", nargs=-1)
@click.option("--latest", is_flag=True, help="As the flow is now, if it has changed since.")
@click.option("--title", help="Another name for people.")
@click.option("--key", help="An Idempotency-Key: the same key starts one run.")
@click.option("-w", "--watch", is_flag=True, help="Then follow the new run.")
@takes_shell
def command(
    shell: Shell,
    *,
    run: str,
    words: tuple[str, ...],
    latest: bool,
    title: str | None,
    key: str | None,
    watch: bool,
) -> None:
    """Launch RUN again, as a new run."""
    given = read_arguments(words, None)
    if given.band is not None:
        told = "a run is begun again in its band; another one: flowrunner run"
        raise CommandError(told, Exit.USAGE, code="usage")
    code = Exit.OK
    with connected(shell, Own.WORKER if watch else Own.NONE) as connection:
        client = connection.client
        reply = client.rerun(run, input_patch=given.input, latest=latest, title=title, key=key)
        if watch:
            code = see_it_through(shell, connection, client.get_run(str(reply.id)), Wanted())
        elif shell.as_json:
            shell.answer({**reply.model_dump(mode="json"), "exit_code": int(code)})
        else:
            shell.say(str(reply.id))
            shell.tell(f"running: flowrunner watch {str(reply.id)[-8:]}")
    raise click.exceptions.Exit(int(code))
