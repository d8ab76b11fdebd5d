"""`report RUN`: what a run has to say."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from flowrunner.cli.connect import Own, connected
from flowrunner.cli.ending import print_report, write_report
from flowrunner.cli.shell import Shell, takes_shell


@click.command("report")
@click.argument("run", default="@last")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["md", "json", "sarif", "html"]),
    help="Default: md, or json with --json.",
)
@click.option(
    "-o", "--output", metavar="FILE", type=click.Path(path_type=Path), help="Write it there."
)
@takes_shell
def command(
    shell: Shell,
    *,
    run: str,
    kind: Literal["md", "json", "sarif", "html"] | None,
    output: Path | None,
) -> None:
    """Print the report of RUN (an id, 4 or more of its characters, @last)."""
    with connected(shell, Own.READING) as connection:
        text = connection.client.report(run, kind or ("json" if shell.as_json else "md"))
    if output is not None:
        write_report(output, text)
    else:
        print_report(text)
