"""What surrounds a command may be broken: streams that are closed, arguments that are no text."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TextIO

from flowrunner.cli.exits import CommandError, Exit


class ReaderLeftError(Exception):
    """Whoever read our result has enough. No OSError: click would end with 1 at that."""


def open_missing() -> None:
    """Give a command that was started without stdout or stderr (`>&-`) one that leads nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123  # for good


def close_quietly(stream: TextIO) -> None:
    """Nobody reads *stream* any more: what is still written to it, also at exit, goes nowhere."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def readable(arguments: Sequence[str]) -> list[str]:
    """Read as UTF-8 what a locale without it could not. Raises CommandError for what is no text."""
    return [_text(argument) for argument in arguments]


def _text(argument: str) -> str:
    try:
        return os.fsencode(argument).decode("utf-8")
    except UnicodeError:
        told = f"{argument!a} is no UTF-8 text"
        raise CommandError(told, Exit.USAGE, code="usage") from None
