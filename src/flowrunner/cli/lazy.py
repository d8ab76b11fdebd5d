"""Commands that are imported when they are used: `--version` and `--help` import none of them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import click

from flowrunner.cli.streaming import ReaderLeftError


class Late(NamedTuple):
    """Where a command is, and what it does in a few words."""

    module: str
    help: str
    name: str = "command"


class LazyGroup(click.Group):
    """A group whose commands are in the modules that *late* names; *also* are their other names."""

    def __init__(
        self,
        *args: object,
        late: Mapping[str, Late],
        also: Mapping[str, str] | None = None,
        **given: object,
    ) -> None:
        super().__init__(*args, **given)  # pyright: ignore[reportArgumentType]  # click's own
        self._late = dict(late)
        self._also = dict(also or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self._late, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        late = self._late.get(cmd_name)
        if late is None:
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(importlib.import_module(late.module), late.name)
        return command

    def make_context(self, *args: Any, **given: Any) -> click.Context:
        try:
            return super().make_context(*args, **given)
        except BrokenPipeError as error:
            # `--help` is printed here.
            raise ReaderLeftError from error

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise ReaderLeftError from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, late.help) for name, late in self._late.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = self._also.get(args[0], args[0]) if args else ""
        args = [name, *args[1:]]
        if name not in self._late and not name.startswith("-"):
            raise click.exceptions.NoSuchCommand(name, possibilities=list(self._late), ctx=ctx)
        return super().resolve_command(ctx, args)
