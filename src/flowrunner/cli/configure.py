"""Settings and logging of commands that run parts of the service themselves."""

from __future__ import annotations

from typing import Any

from flowrunner import logs
from flowrunner.cli.shell import Shell
from flowrunner.settings import Settings, unknown_variables


def configure(shell: Shell, **chosen: Any) -> Settings:
    """Read the settings, with what the command line says in front, and log accordingly."""
    if shell.data_home is not None:
        chosen["data"] = shell.data_home
    given = {name: value for name, value in chosen.items() if value is not None}
    settings = Settings(**given)
    logs.configure(settings.log_level if shell.is_verbose else "warning")
    for name, close in sorted(unknown_variables().items()):
        hint = f": did you mean {close}?" if close else ""
        shell.tell(f"warning: {name} is no setting{hint}")
    return settings
