"""What every command knows: how to answer, which server to ask, whether somebody watches."""

from __future__ import annotations

import functools
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TextIO

import click

from flowrunner.cli.paint import ALL_SYMBOLS, Canvas
from flowrunner.cli.streaming import close_quietly
from flowrunner.cli.tables import table

__all__ = ["Shell", "paper", "speaks_symbols", "table", "takes_shell"]

P = ParamSpec("P")
_UNBOUNDED = 100_000


@dataclass(frozen=True, slots=True)
class Shell:
    """Results go to stdout, everything else to stderr."""

    server: str | None = None
    token: str | None = None
    data_home: Path | None = None
    as_json: bool = False
    is_quiet: bool = False
    is_verbose: bool = False
    wants_color: bool = False

    def say(self, text: str) -> None:
        """A line of the result."""
        click.echo(text)

    def tell(self, text: str) -> None:
        """A line beside the result, for people."""
        if self.is_quiet:
            return
        try:
            click.echo(text, err=True)
        except BrokenPipeError:
            # Progress that nobody reads is no reason to stop: the result is still wanted.
            close_quietly(sys.stderr)

    def answer(self, value: Any) -> None:
        """The result as JSON, on one line."""
        click.echo(json.dumps(value, ensure_ascii=False, separators=(", ", ": ")))


def takes_shell(function: Callable[Concatenate[Shell, P], None]) -> Callable[P, None]:
    """Give the command its shell, and the options that every command has."""

    @click.option("--json", "as_json", is_flag=True, help="Answer with JSON on stdout.")
    @click.option("--server", metavar="URL", help="The server to ask.")
    @click.option("-q", "--quiet", "is_quiet", is_flag=True, help="No progress, no hints.")
    @click.option("-v", "--verbose", "is_verbose", is_flag=True, help="Log what happens.")
    @click.pass_context
    @functools.wraps(function)
    def run(context: click.Context, *args: P.args, **given: P.kwargs) -> None:
        shell = context.find_root().obj or Shell()
        kept: dict[str, Any] = dict(given)
        server = kept.pop("server", None)
        flags = {name: kept.pop(name) for name in ("as_json", "is_quiet", "is_verbose")}
        chosen = {name: value for name, value in flags.items() if value}
        shell = replace(shell, **chosen, server=server or shell.server)
        context.find_root().obj = shell
        function(shell, *args, **kept)

    return run


def paper(shell: Shell) -> Canvas:
    """What stdout can show; into a pipe or a file nothing is cut or signed."""
    if not sys.stdout.isatty():
        return Canvas(_UNBOUNDED, _UNBOUNDED, symbols=False)
    size = shutil.get_terminal_size((100, 24))
    symbols = speaks_symbols(sys.stdout)
    return Canvas(size.columns, size.lines, symbols=symbols, color=shell.wants_color)


def speaks_symbols(stream: TextIO) -> bool:
    """Whether the stream's encoding has our symbols; a C locale does not."""
    try:
        ALL_SYMBOLS.encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
