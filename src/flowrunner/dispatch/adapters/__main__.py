"""`python -m flowrunner.dispatch.adapters FOLDER [NAME...]`: install agents as pinned."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from flowrunner.core.errors import FlowRunnerError
from flowrunner.dispatch.adapters.installing import install
from flowrunner.dispatch.adapters.table import ADAPTERS


def main(argv: Sequence[str] | None = None) -> int:
    """Say what was installed where; 1 and the reason if something was not."""
    arguments = _arguments(argv)
    if unknown := set(arguments.names) - ADAPTERS.keys():
        sys.stderr.write(f"no agent is called {', '.join(sorted(unknown))}\n")
        return 1
    chosen = [ADAPTERS[name] for name in arguments.names or ADAPTERS]
    npm = shutil.which("npm")
    if npm is None:
        sys.stderr.write("npm is not on PATH: the agents are npm packages\n")
        return 1
    try:
        for line in install(Path(arguments.folder).expanduser(), chosen, npm):
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
    except FlowRunnerError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m flowrunner.dispatch.adapters",
        description="Install coding agents from npm, each in the one version that was tried.",
    )
    parser.add_argument("folder", help="where to; it must not lie in a repository")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(ADAPTERS))
    return parser.parse_args(argv)


if __name__ == "__main__":
    raise SystemExit(main())
