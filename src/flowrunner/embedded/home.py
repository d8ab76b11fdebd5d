"""Where a user's data lives when nobody said otherwise."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from flowrunner.embedded.errors import NoHomeError

_HINT = "set XDG_DATA_HOME to an absolute path, or FLOWRUNNER_DATABASE_URL to a server of your own"


def data_home(environ: Mapping[str, str] = os.environ) -> Path:
    """Return $XDG_DATA_HOME/flowrunner or ~/.local/share/flowrunner, made or not.

    Raises NoHomeError for an account without a home. There is no falling back to a temporary
    folder: runs kept there would be lost at the next reboot, without a word (P3, P11).
    """
    if named := environ.get("XDG_DATA_HOME"):
        if not Path(named).is_absolute():
            raise NoHomeError(f"XDG_DATA_HOME is {named!r}, which is not absolute", hint=_HINT)
        return Path(named) / "flowrunner"
    if home := environ.get("HOME"):
        return Path(home) / ".local/share/flowrunner"
    try:
        return Path.home() / ".local/share/flowrunner"
    except RuntimeError as exc:
        raise NoHomeError(f"user {os.getuid()} has no home folder", hint=_HINT) from exc
