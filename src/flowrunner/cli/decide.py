"""`approve` and `reject`: answer what a run asks; the first answer stands."""

from __future__ import annotations

from typing import Any, Literal

import click

from flowrunner.cli.arguments import read_arguments
from flowrunner.cli.connect import Connection, Own, connected
from flowrunner.cli.ending import see_it_through
from flowrunner.cli.exits import Exit
from flowrunner.cli.shell import Shell, takes_shell
from flowrunner.cli.watching import Wanted
from flowrunner.wire.approvals import DecisionReply

_DID = {"approve": "approved", "reject": "rejected"}


@click.command("approve")
@click.argument("run")
@click.argument("step", required=False)
@click.option("-m", "--comment", default="", metavar="TEXT", help="Kept with the decision.")
@click.option(
    "--set",
    "values",
    metavar="KEY=VALUE",
    multiple=True,
    help="A value of the form; KEY:=JSON for what is no text.",
)
@click.option("-w", "--watch", is_flag=True, help="Then follow the run.")
@takes_shell
def approve(
    shell: Shell, *, run: str, step: str | None, comment: str, values: tuple[str, ...], watch: bool
) -> None:
    """Approve what RUN asks; STEP says which, if it asks several things."""
    given: dict[str, Any] = {}
    for each in values:
        given |= read_arguments([each]).input
    with connected(shell, Own.WORKER if watch else Own.ENGINE) as connection:
        reply = connection.client.approve(run, step, comment=comment, values=given)
        code = _told(shell, connection, reply, watch=watch)
    raise click.exceptions.Exit(int(code))


@click.command("reject")
@click.argument("run")
@click.argument("step", required=False)
@click.option("-m", "--comment", required=True, metavar="TEXT", help="Why; the run can read it.")
@click.option(
    "--then",
    type=click.Choice(["stop", "redo", "continue"]),
    help="What that means; by default what the flow says.",
)
@click.option("-w", "--watch", is_flag=True, help="Then follow the run.")
@takes_shell
def reject(
    shell: Shell,
    *,
    run: str,
    step: str | None,
    comment: str,
    then: Literal["stop", "redo", "continue"] | None,
    watch: bool,
) -> None:
    """Reject what RUN asks; STEP says which, if it asks several things."""
    with connected(shell, Own.WORKER if watch else Own.ENGINE) as connection:
        reply = connection.client.reject(run, step, comment=comment, then=then)
        code = _told(shell, connection, reply, watch=watch)
    raise click.exceptions.Exit(int(code))


def _told(shell: Shell, connection: Connection, reply: DecisionReply, *, watch: bool) -> Exit:
    if not watch and shell.as_json:
        shell.answer({**reply.model_dump(mode="json"), "exit_code": int(Exit.OK)})
        return Exit.OK
    did = _DID[reply.decision]
    again = "was" if reply.replayed else "is"
    line = f"{reply.step} {again} {did} by {reply.decided_by}; the run is {reply.run_status}"
    if watch:
        shell.tell(line)
        run = connection.client.get_run(str(reply.run_id))
        return see_it_through(shell, connection, run, Wanted())
    shell.say(line)
    if connection.is_own and reply.run_status == "running":
        short = str(reply.run_id)[-8:]
        shell.tell(f"no server goes on with it: flowrunner watch {short}")
    return Exit.OK
