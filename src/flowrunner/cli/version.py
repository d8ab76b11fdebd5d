"""`version`: ours."""

from __future__ import annotations

import platform

import click

from flowrunner import __version__
from flowrunner.cli.shell import Shell, takes_shell


@click.command("version")
@takes_shell
def command(shell: Shell) -> None:
    """Print the version of the program and of Python."""
    python = platform.python_version()
    if shell.as_json:
        shell.answer({"version": __version__, "python": python})
    else:
        shell.say(f"flowrunner {__version__} (Python {python})")
