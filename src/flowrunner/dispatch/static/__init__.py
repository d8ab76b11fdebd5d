"""The static agent: findings by ruff and plain checks, without a model, a network or a write."""

from __future__ import annotations

import sys


def agent_argv() -> tuple[str, ...]:
    """Return how to start it: prompt on stdin, the project as working folder, answer on stdout.

    `-P` keeps the working folder off the import path (a project's own `json.py` must not be run),
    `-E` ignores PYTHON* variables, `-B` writes no bytecode.
    """
    return (sys.executable, "-P", "-E", "-B", "-m", "flowrunner.dispatch.static")
