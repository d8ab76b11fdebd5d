"""`completion SHELL`: the script that a shell completes our commands with."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from flowrunner.cli.shell import Shell, takes_shell

_PROGRAM, _VARIABLE = "flowrunner", "_FLOWRUNNER_COMPLETE"
_HINTS = {
    "bash": 'add to ~/.bashrc: eval "$(flowrunner completion bash)"',
    "zsh": 'add to ~/.zshrc: eval "$(flowrunner completion zsh)"',
    "fish": "run: flowrunner completion fish > ~/.config/fish/completions/flowrunner.fish",
}


@click.command("completion")
@click.argument("name", metavar="SHELL", type=click.Choice(sorted(_HINTS)))
@takes_shell
def command(shell: Shell, *, name: str) -> None:
    """Print the script that completes commands and options in SHELL."""
    from flowrunner.cli.main import cli  # noqa: PLC0415  # it imports us

    kind = get_completion_class(name)
    assert kind is not None  # noqa: S101  # one of click's own
    source = kind(cli, {}, _PROGRAM, _VARIABLE).source()
    if shell.as_json:
        shell.answer({"shell": name, "script": source})
        return
    shell.say(source)
    shell.tell(_HINTS[name])
