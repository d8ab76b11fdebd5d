"""`pause`, `resume`, `retry` and `stop`: tell a run what to do; each may be repeated."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from flowrunner.cli.connect import Own, connected
from flowrunner.cli.ending import see_it_through
from flowrunner.cli.exits import CommandError, Exit
from flowrunner.cli.shell import Shell, takes_shell
from flowrunner.cli.text import clean, countdown
from flowrunner.cli.watching import Wanted
from flowrunner.wire.control import ControlReply

_REASON = click.option("--reason", default="", metavar="TEXT", help="Kept with the run.")


@click.command("pause")
@click.argument("run", default="@last")
@_REASON
@takes_shell
def pause(shell: Shell, *, run: str, reason: str) -> None:
    """Let nothing new begin in RUN; what is at work goes on, questions stay open."""
    with connected(shell, Own.ENGINE) as connection:
        reply = connection.client.pause_run(run, reason)
    _tell(shell, reply, "paused", f"go on: flowrunner resume {str(reply.id)[-8:]}")


@click.command("resume")
@click.argument("run", default="@last")
@_REASON
@click.option("-w", "--watch", is_flag=True, help="Then follow the run.")
@takes_shell
def resume(shell: Shell, *, run: str, reason: str, watch: bool) -> None:
    """Let RUN, which was paused, go on."""
    code = Exit.OK
    with connected(shell, Own.WORKER if watch else Own.ENGINE) as connection:
        reply = connection.client.resume_run(run, reason)
        if watch:
            found = connection.client.get_run(str(reply.id))
            code = see_it_through(shell, connection, found, Wanted())
        else:
            _tell(shell, reply, "running", f"flowrunner watch {str(reply.id)[-8:]}")
    raise click.exceptions.Exit(int(code))


@click.command("retry")
@click.argument("run", default="@last")
@click.option("--from", "from_step", metavar="STEP", help="This step and all that follow it.")
@click.option("--all-failed", is_flag=True, help="All that failed or was stopped: the default.")
@_REASON
@click.option("-w", "--watch", is_flag=True, help="Then follow the run.")
@takes_shell
def retry(
    shell: Shell, *, run: str, from_step: str | None, all_failed: bool, reason: str, watch: bool
) -> None:
    """Begin RUN, which has ended, anew: same run, what completed is kept, old attempts stay."""
    if from_step is not None and all_failed:
        told = "--from and --all-failed exclude each other"
        raise CommandError(told, Exit.USAGE, code="usage")
    code = Exit.OK
    with connected(shell, Own.WORKER if watch else Own.ENGINE) as connection:
        reply = connection.client.retry_run(run, from_step=from_step, reason=reason)
        short = str(reply.id)[-8:]
        told = f"{short} begins anew, for the {_nth(reply.generation)} time"
        if watch:
            shell.tell(told)
            found = connection.client.get_run(str(reply.id))
            code = see_it_through(shell, connection, found, Wanted())
        elif shell.as_json:
            shell.answer({**reply.model_dump(mode="json"), "exit_code": int(Exit.OK)})
        else:
            shell.say(told)
            shell.tell(f"flowrunner watch {short}")
    raise click.exceptions.Exit(int(code))


@click.command("stop")
@click.argument("run")
@click.argument("step")
@_REASON
@takes_shell
def stop(shell: Shell, *, run: str, step: str, reason: str) -> None:
    """Stop one STEP of RUN: it fails, and its `on_fail` says what that means for the run."""
    with connected(shell, Own.ENGINE) as connection:
        reply = connection.client.stop_step(run, step, reason)
    if shell.as_json:
        shell.answer({**reply.model_dump(mode="json"), "exit_code": int(Exit.OK)})
        return
    did = "is stopped" if reply.changed else "was stopped before"
    shell.say(clean(f"{reply.step} {did} by {reply.actor}; the run is {reply.run_status}"))


def _tell(shell: Shell, reply: ControlReply, word: str, hint: str) -> None:
    if shell.as_json:
        shell.answer({**reply.model_dump(mode="json"), "exit_code": int(Exit.OK)})
        return
    short = str(reply.id)[-8:]
    if reply.changed:
        shell.say(f"{short} is {word}")
        shell.tell(hint)
        return
    ago = countdown((datetime.now(UTC) - reply.at).total_seconds())
    shell.say(clean(f"{short} is {word} already, by {reply.actor} {ago} ago"))


def _nth(count: int) -> str:
    return {2: "second", 3: "third"}.get(count, f"{count}th")
