"""The API agent: a program that asks a model itself, and lets it look at one project.

It speaks the Agent Client Protocol on its standard streams, so that to whoever starts it, it is an
agent like any other. Nothing else imports what it runs on (the extra `api`).
"""

from __future__ import annotations

import sys
from pathlib import Path

_SOURCES = Path(__file__).resolve().parents[3]
# Behind everything else: beside our package lie others with names of their own.
_BOOT = (
    "import sys; sys.path.append(sys.argv.pop(1));"
    " from flowrunner.dispatch.apiagent.__main__ import main; main()"
)


def agent_argv(settings: str) -> tuple[str, ...]:
    """Return how to start it with the settings that lie in that file.

    `-I` keeps the working folder, which is the project under review, off the import path, and
    ignores PYTHON* variables and what a user has installed; `-B` writes no bytecode.
    """
    return (sys.executable, "-I", "-B", "-c", _BOOT, str(_SOURCES), settings)
