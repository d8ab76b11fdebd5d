"""How a command that follows a run ends: a summary, the report, and the number it exits with."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import click

from flowrunner.cli.board import Board
from flowrunner.cli.connect import Connection
from flowrunner.cli.exits import OF_STATUS, CommandError, Exit
from flowrunner.cli.follow import follow, summary
from flowrunner.cli.shell import Shell
from flowrunner.cli.text import clean_text
from flowrunner.client import NotFoundError


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to happen at the end."""

    report: bool = False
    output: Path | None = None
    outcome: str | None = None

    @classmethod
    def of(cls, *, report: bool, output: Path | None, fail_on: str | None) -> Self:
        """Raises CommandError for a condition that is none."""
        name, _, value = (fail_on or "").partition("=")
        if fail_on is not None and (name != "outcome" or not value):
            hint = "write --fail-on outcome=VALUE"
            raise CommandError(f"{fail_on!r} is no condition", Exit.USAGE, code="usage", hint=hint)
        return cls(report, output, value or None)


def see_it_through(shell: Shell, connection: Connection, run_id: str, wanted: Wanted) -> Exit:
    """Follow the run to its end and tell how it ended. Ctrl-C cancels a run that only we run."""
    board = Board(run_id)
    leave = "Ctrl-C cancels it" if connection.is_own else "Ctrl-C leaves it running"
    try:
        follow(shell, board, connection.client.events(run_id), leave)
    except KeyboardInterrupt:
        return _interrupted(shell, connection, board)
    shell.tell(summary(board))
    if board.status != "cancelled" and not shell.as_json and not wanted.report:
        shell.tell(f"report: flowrunner report {board.short_id}")
    _give_report(shell, connection, run_id, wanted)
    code = OF_STATUS[board.status]
    if code is Exit.OK and wanted.outcome is not None and wanted.outcome == board.outcome:
        code = Exit.OUTCOME
    if shell.as_json:
        run = connection.client.get_run(run_id).model_dump(mode="json")
        shell.answer({**run, "exit_code": int(code)})
    return code


def _interrupted(shell: Shell, connection: Connection, board: Board) -> Exit:
    if connection.is_own:
        connection.client.cancel_run(board.run_id, "interrupted at the terminal")
        shell.tell(f"{board.short_id} is cancelled: its service ends with this command")
    else:
        shell.tell(f"{board.short_id} goes on: flowrunner watch {board.short_id}")
    return Exit.INTERRUPTED


def _give_report(shell: Shell, connection: Connection, run_id: str, wanted: Wanted) -> None:
    if not wanted.report and wanted.output is None:
        return
    try:
        text = connection.client.report(run_id)
    except NotFoundError as error:
        shell.tell(f"no report: {error.problem.detail}")
        return
    if wanted.output is not None:
        write_report(wanted.output, text)
    if wanted.report and not shell.as_json:
        print_report(text)


def print_report(text: str) -> None:
    """Give it as it is to a file or a pipe, and to a terminal without what steers it."""
    click.echo((clean_text(text) if sys.stdout.isatty() else text).rstrip("\n"))


def write_report(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}", code="output") from error
