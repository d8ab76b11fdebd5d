"""`doctor`: what would keep runs from working."""

from __future__ import annotations

from dataclasses import asdict

import click

from flowrunner.bootstrap.diagnosis import diagnose
from flowrunner.cli.configure import configure
from flowrunner.cli.connect import running_client
from flowrunner.cli.exits import Exit
from flowrunner.cli.shell import Shell, takes_shell
from flowrunner.cli.text import clean

_MARKS = {"ok": "ok     ", "warning": "WARNING", "problem": "PROBLEM"}


@click.command("doctor")
@takes_shell
def command(shell: Shell) -> None:
    """Look at Python, the settings, the flows, the agents and the database; change nothing."""
    found = diagnose(configure(shell))
    bad = [each for each in found if each.state == "problem"]
    code = int(Exit.UNEXPECTED if bad else Exit.OK)
    client = running_client(shell)
    if shell.as_json:
        told = [asdict(each) for each in found]
        shell.answer(
            {"findings": told, "server": client.server if client else None, "exit_code": code}
        )
        raise click.exceptions.Exit(code)
    for each in found:
        shell.say(clean(f"{_MARKS[each.state]} {each.topic}: {each.message}"))
        if each.hint and each.state != "ok":
            shell.say(clean(f"        {each.hint}"))
    shell.say(f"{_MARKS['ok']} server: {f'runs at {client.server}' if client else 'none runs'}")
    warnings = sum(each.state == "warning" for each in found)
    shell.tell(f"{len(bad)} problems, {warnings} warnings")
    raise click.exceptions.Exit(code)
