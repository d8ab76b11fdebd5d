"""What every command knows: how to answer, which server to ask, whether somebody watches."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TextIO

import click

from flowrunner.cli.paint import ALL_SYMBOLS
from flowrunner.cli.text import clean

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Shell:
    """Results go to stdout, everything else to stderr."""

    server: str | None = None
    token: str | None = None
    data_home: Path | None = None
    as_json: bool = False
    is_quiet: bool = False
    is_verbose: bool = False
    has_color: bool = False

    def say(self, text: str) -> None:
        """A line of the result."""
        click.echo(text)

    def tell(self, text: str) -> None:
        """A line beside the result, for people."""
        if not self.is_quiet:
            click.echo(text, err=True)

    def answer(self, value: Any) -> None:
        """The result as JSON, on one line."""
        click.echo(json.dumps(value, ensure_ascii=False, separators=(", ", ": ")))


def is_terminal(stream: TextIO) -> bool:
    return stream.isatty()


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


def table(rows: Iterable[Mapping[str, str]], columns: Mapping[str, str]) -> list[str]:
    """Align *rows* under *columns* (key to heading); the last column may be as long as it likes."""
    from flowrunner.cli.text import cells, pad  # noqa: PLC0415

    shown = [{key: clean(row.get(key, "")) for key in columns} for row in rows]
    widths = {
        key: max([cells(heading), *(cells(row[key]) for row in shown)])
        for key, heading in columns.items()
    }
    lines = [dict(columns), *shown]
    return ["  ".join(pad(line[key], widths[key]) for key in columns).rstrip() for line in lines]


def width_of(stream: TextIO) -> int:
    import shutil  # noqa: PLC0415

    return shutil.get_terminal_size((100, 24)).columns if stream.isatty() else 100


def speaks_symbols(stream: TextIO) -> bool:
    """Whether the stream's encoding has our symbols; a C locale does not."""
    try:
        ALL_SYMBOLS.encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def stderr() -> TextIO:
    return sys.stderr
