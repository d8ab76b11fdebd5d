"""What `run`, `watch` and their like take: how long to follow a run, and what to do at its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import click

from flowrunner.cli.exits import CommandError, Exit
from flowrunner.cli.times import parse_span

C = TypeVar("C", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Wanted:
    """*until*: `done`, `waiting` (for a person) or `started`; *seconds* is the most it may take.

    *outcome* is the one that fails the command; *may_ask*: somebody is there to be asked.
    """

    report: bool = False
    output: Path | None = None
    outcome: str | None = None
    until: str = "done"
    seconds: float | None = None
    may_ask: bool = True

    @classmethod
    def of(cls, options: dict[str, Any]) -> Self:
        """Take its own out of a command's *options*. Raises CommandError."""
        fail_on, timeout = options.pop("fail_on"), options.pop("timeout")
        no_input, until = options.pop("no_input"), options.pop("until")
        name, _, value = (fail_on or "").partition("=")
        if fail_on is not None and (name != "outcome" or not value):
            hint = "write --fail-on outcome=VALUE"
            raise CommandError(f"{fail_on!r} is no condition", Exit.USAGE, code="usage", hint=hint)
        return cls(
            report=options.pop("report"),
            output=options.pop("output"),
            outcome=value or None,
            until=until or ("waiting" if no_input else "done"),
            seconds=parse_span(timeout) if timeout else None,
            may_ask=not no_input,
        )


_UNTIL = "Stop following at its end (the default), when a person must decide (5), or once it runs."
_OPTIONS = (
    click.option("--until", type=click.Choice(["done", "waiting", "started"]), help=_UNTIL),
    click.option("--timeout", metavar="TIME", help="Follow it so long (90s, 30m), then exit 124."),
    click.option("--no-input", is_flag=True, help="Nobody is there: as --until waiting."),
    click.option("--report", is_flag=True, help="Print the report on stdout at the end."),
    click.option(
        "-o",
        "--output",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="Write the report there.",
    ),
    click.option("--fail-on", metavar="outcome=VALUE", help="Exit with 11 if that is the outcome."),
)


def takes_watching(function: C) -> C:
    """Give the command the options that `Wanted.of` reads."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function
