"""`run FLOW`: launch it and follow it to its end, on the server that is there or on our own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import click
from pydantic import ValidationError

from flowrunner.cli.arguments import Given, read_arguments, read_labels
from flowrunner.cli.connect import Connection, Own, connected, here
from flowrunner.cli.ending import see_it_through
from flowrunner.cli.exits import CommandError, Exit, ending_of
from flowrunner.cli.shell import Shell, takes_shell
from flowrunner.cli.watching import Wanted, takes_watching
from flowrunner.client import RefusedError, UnreachableError
from flowrunner.wire.flows import FlowDetail
from flowrunner.wire.runs import LaunchBody, LaunchReply

_REPO = "repo"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the options say of the run itself."""

    band: str | None
    project: str | None
    model: str | None
    agent: str | None
    title: str
    labels: dict[str, str]


_HELP = """Launch FLOW and follow it to its end.

\b
KEY=VALUE    a text             KEY:=JSON   any other value
KEY=@FILE    a file's text      KEY=-       stdin's text
repo=DIR     the folder to run against, as --project
BAND         small, medium, large: as --band

Without a server, one is started for this run and stopped at its end. Ctrl-C then cancels the
run; with a server it leaves the run going.
"""


@click.command("run", help=_HELP)
@click.argument("flow")
@click.argument("words", metavar="[KEY=VALUE | BAND]...", nargs=-1)
@click.option("-i", "--input", "input_file", metavar="FILE", help="The input as JSON; - for stdin.")
@click.option("--band", help="How deep: small, medium, large, or auto.")
@click.option("--project", metavar="DIR", help="What it runs against; default: this folder.")
@click.option("--model", help="The model that agents are to use.")
@click.option("--agent", help="The operator's agent that is to run the steps.")
@click.option("--title", default="", help="A name for people.")
@click.option("-l", "--label", "labels", metavar="NAME=VALUE", multiple=True)
@click.option("--key", help="An Idempotency-Key: the same key starts one run.")
@click.option("-d", "--detach", is_flag=True, help="Print the id and leave it running.")
@click.option("-w", "--watch", is_flag=True, help="Follow it: the default.")
@takes_watching
@takes_shell
def command(
    shell: Shell,
    *,
    flow: str,
    words: tuple[str, ...],
    input_file: str | None,
    labels: tuple[str, ...],
    key: str | None,
    detach: bool,
    watch: bool,
    **options: Any,
) -> None:
    """Launch FLOW and follow it to its end."""
    wanted = Wanted.of(options)
    if detach and watch:
        raise CommandError("-d and -w exclude each other", Exit.USAGE, code="usage")
    given = read_arguments(words, input_file)
    asked = Asked(labels=read_labels(labels), **options)
    with connected(shell, Own.NONE if detach else Own.WORKER) as connection:
        detail = connection.client.get_flow(flow)
        body = _body(given, asked, detail, is_near=connection.is_near)
        reply = _launched(connection, flow, body, key or str(uuid4()))
        if detach:
            _tell_detached(shell, connection, reply)
            return
        run = connection.client.get_run(str(reply.id))
        code = see_it_through(shell, connection, run, wanted)
    raise click.exceptions.Exit(int(code))


def _launched(connection: Connection, flow: str, body: LaunchBody, key: str) -> LaunchReply:
    """Launch; an answer that was lost may stand for a run, which only the same key finds again."""
    try:
        return connection.client.launch(flow, body, key=key)
    except (UnreachableError, RefusedError) as error:
        ending = ending_of(error)
        if ending is None or ending.exit_code is not Exit.UNREACHABLE:
            raise
        hint = f"repeat the command with --key {key}: however often, it starts one run"
        raise CommandError(ending.message, Exit.UNREACHABLE, code=ending.code, hint=hint) from error


def _body(given: Given, asked: Asked, flow: FlowDetail, *, is_near: bool) -> LaunchBody:
    """Put the launch together. `repo` is the project unless the flow's input knows better."""
    values = dict(given.input)
    roots = [asked.project] if asked.project else []
    if _REPO in values and _REPO not in flow.input_schema.get("properties", {}):
        roots.append(str(values.pop(_REPO)))
    bands = [band for band in (asked.band, given.band) if band]
    if len(set(roots)) > 1 or len(set(bands)) > 1:
        twice = "the project" if len(set(roots)) > 1 else "the band"
        raise CommandError(f"{twice} is given twice", Exit.USAGE, code="usage")
    project = roots[0] if roots else None
    if is_near:
        project = _folder(project) if project else here()
    try:
        return LaunchBody(
            input=values,
            band=bands[0] if bands else None,
            project=project,
            model=asked.model,
            agent=asked.agent,
            title=asked.title,
            labels=asked.labels,
        )
    except ValidationError as error:
        told = error.errors(include_url=False, include_input=False)
        lines = [f"/{'/'.join(map(str, each['loc']))}: {each['msg']}" for each in told]
        message = "the launch cannot be accepted"
        raise CommandError(message, Exit.INVALID, code="invalid-input", problems=lines) from None


def _folder(text: str) -> str:
    folder = Path(text).expanduser()
    if not folder.is_dir():
        told = f"'{text}' is no folder"
        raise CommandError(told, Exit.INVALID, code="no-such-folder", hint="give --project DIR")
    return str(folder.resolve())


def _tell_detached(shell: Shell, connection: Connection, reply: LaunchReply) -> None:
    if shell.as_json:
        shell.answer({**reply.model_dump(mode="json"), "exit_code": int(Exit.OK)})
        return
    shell.say(str(reply.id))
    again = " (it was launched before)" if reply.replayed else ""
    shell.tell(
        f"running at {connection.client.server}{again}: flowrunner watch {str(reply.id)[-8:]}"
    )
