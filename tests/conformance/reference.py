"""The reference pages, printed from the program itself: what they say cannot drift.

`python -m tests.conformance.reference --write` rewrites them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import click

from flowrunner.api.app import make_app
from flowrunner.api.openapi import describe
from flowrunner.bootstrap import Addresses, build_service
from flowrunner.cli.exits import Exit
from flowrunner.cli.main import cli
from flowrunner.settings import Settings

DOCS = Path(__file__).parents[2] / "docs/reference"

MEANINGS = {
    Exit.OK: "the command is done; a followed run completed",
    Exit.UNEXPECTED: "an unexpected error, or problems found by `check` and `doctor`",
    Exit.USAGE: "the command line cannot be understood",
    Exit.RUN_FAILED: "the run failed",
    Exit.RUN_CANCELLED: "the run was cancelled",
    Exit.AT_APPROVAL: "stopped where a person must decide (`--until waiting`, `--no-input`)",
    Exit.NOT_FOUND: "there is no such run or flow",
    Exit.REFUSED: "refused: its state forbids it, such as cancelling what has ended",
    Exit.DENIED: "the server wants a token, or another one",
    Exit.UNREACHABLE: "the server or the database cannot be reached",
    Exit.INVALID: "the input or the flow is invalid",
    Exit.OUTCOME: "`--fail-on` matched the run's outcome",
    Exit.TIMEOUT: "`--timeout` is over; the run goes on where a server runs it",
    Exit.INTERRUPTED: "Ctrl-C: detached; the run goes on where a server runs it",
}


def cli_page() -> str:
    """Every command with its help, as `--help` prints it at 100 columns."""
    lines = ["# The command line", "", "Printed from the program; `make conformance` rewrites it."]
    lines += ["", "## Exit codes", "", "| code | meaning |", "|---|---|"]
    lines += [f"| {code.value} | {MEANINGS[code]} |" for code in Exit]
    for path, text in _helps(cli, ("flowrunner",)):
        lines += ["", f"## {path}", "", "```text", text, "```"]
    return "\n".join(lines) + "\n"


def _helps(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    # With the settings of the whole program, as when it runs: commands keep what they were told.
    settings: dict[str, Any] = {**cli.context_settings, "max_content_width": 100}
    context = click.Context(command, info_name=" ".join(path), terminal_width=100, **settings)
    yield (
        " ".join(path),
        "\n".join(line.rstrip() for line in command.get_help(context).splitlines()),
    )
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from _helps(below, (*path, name))


def http_page() -> str:
    """Every operation of the OpenAPI document: method, path, what it does, how it may end."""
    nowhere = Addresses("", "", "")
    document = describe(make_app(build_service(Settings(), nowhere)))
    lines = [
        "# REST",
        "",
        "Printed from the program's OpenAPI document (`/openapi.json`, which",
    ]
    lines += ["also holds every shape); `make conformance` rewrites it. Errors are problem details"]
    lines += ["(RFC 9457) with a stable `code`, every problem at once, and a `hint`.", ""]
    lines += ["| | | | |", "|---|---|---|---|"]
    for path, operations in sorted(document["paths"].items()):
        for method, operation in operations.items():
            lines.append(_row(method, path, cast("dict[str, Any]", operation)))
    return "\n".join(lines) + "\n"


def _row(method: str, path: str, operation: dict[str, Any]) -> str:
    told = str(operation.get("description") or operation.get("summary") or "")
    first = told.strip().split("\n\n")[0].replace("\n", " ").replace("|", "\\|")
    codes = ", ".join(sorted(operation["responses"]))
    return f"| `{method.upper()}` | `{path}` | {first} | {codes} |"


PAGES = {"cli.md": cli_page, "http.md": http_page}

if __name__ == "__main__":
    for name, page in PAGES.items():
        if "--write" in sys.argv:
            (DOCS / name).write_text(page(), encoding="utf-8")
        elif (DOCS / name).read_text(encoding="utf-8") != page():
            sys.exit(f"docs/reference/{name} is stale: run make conformance")
