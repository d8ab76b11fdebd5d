"""How a command that follows a run ends: a summary, the report, and the number it exits with."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from flowrunner.cli.board import Board
from flowrunner.cli.connect import Connection
from flowrunner.cli.exits import OF_STATUS, CommandError, Exit
from flowrunner.cli.follow import Stop, follow, summary
from flowrunner.cli.shell import Shell
from flowrunner.cli.text import clean, clean_text
from flowrunner.cli.watching import Wanted
from flowrunner.client import NotFoundError
from flowrunner.wire.runs import Run

_SECOND_SECONDS = 2.0

_LEFT = {Stop.WAITING: Exit.AT_APPROVAL, Stop.STARTED: Exit.OK, Stop.TIMEOUT: Exit.TIMEOUT}


def see_it_through(shell: Shell, connection: Connection, run: Run, wanted: Wanted) -> Exit:
    """Follow the run as long as it is wanted and tell how it stands then.

    Ctrl-C leaves it running where a server runs it, and cancels what only we run.
    """
    board = Board(str(run.id), title=clean(run.title))

    def leave(now: Board) -> str:
        if connection.is_own and not now.is_stuck_on_people:
            return "Ctrl-C cancels it"
        return f"Ctrl-C leaves it {'waiting' if now.is_stuck_on_people else 'running'}"

    try:
        stop = follow(shell, board, connection.client, wanted, leave)
    except KeyboardInterrupt:
        return _interrupted(shell, connection, board, wanted)
    code = _LEFT[stop] if stop in _LEFT else _ended(shell, connection, board, wanted)
    if stop in _LEFT:
        _tell_left(shell, connection, board, stop)
    if shell.as_json:
        seen = connection.client.get_run(board.run_id).model_dump(mode="json")
        shell.answer({**seen, "exit_code": int(code)})
    return code


def _ended(shell: Shell, connection: Connection, board: Board, wanted: Wanted) -> Exit:
    shell.tell(summary(board))
    if board.status != "cancelled" and not shell.as_json and not wanted.report:
        shell.tell(f"report: flowrunner report {board.short_id}")
    if board.status == "failed":
        shell.tell(f"again:  flowrunner retry {board.short_id}   (what completed is kept)")
    _give_report(shell, connection, board.run_id, wanted)
    code = OF_STATUS[board.status]
    is_matched = wanted.outcome is not None and wanted.outcome == board.outcome
    return Exit.OUTCOME if code is Exit.OK and is_matched else code


def _tell_left(shell: Shell, connection: Connection, board: Board, stop: Stop) -> None:
    """Say how it stands, and what goes on with it."""
    if stop is Stop.WAITING:
        shell.tell(f"{board.short_id} waits for a decision")
        for row in board.questions():
            shell.tell(f"  approve: {board.command('approve', row)}")
            shell.tell(f"  reject:  {board.command('reject', row)} -m WHY")
        return
    how = "runs" if stop is Stop.STARTED else "is not done yet"
    again = "stands still until" if connection.is_own else "goes on"
    shell.tell(f"{board.short_id} {how}; it {again}: flowrunner watch {board.short_id}")


def _interrupted(shell: Shell, connection: Connection, board: Board, wanted: Wanted) -> Exit:
    if connection.is_own and board.is_stuck_on_people:
        _tell_left(shell, connection, board, Stop.WAITING)
        return Exit.INTERRUPTED
    if connection.is_own:
        connection.client.cancel_run(board.run_id, "interrupted at the terminal")
        shell.tell(f"{board.short_id} is cancelled: its service ends with this command")
        return Exit.INTERRUPTED
    shell.tell(f"{board.short_id} goes on: flowrunner watch {board.short_id}")
    if not (wanted.may_ask and sys.stdin.isatty() and sys.stderr.isatty()):
        return Exit.INTERRUPTED
    try:
        shell.tell("Ctrl-C again, within two seconds, to cancel it")
        time.sleep(_SECOND_SECONDS)
    except KeyboardInterrupt:
        return _offer_cancel(shell, connection, board)
    return Exit.INTERRUPTED


def _offer_cancel(shell: Shell, connection: Connection, board: Board) -> Exit:
    """Paid work is not thrown away by a key that was hit once too often: ask."""
    try:
        if not click.confirm(f"Cancel {board.short_id} for good?", err=True):
            return Exit.INTERRUPTED
    except (click.Abort, KeyboardInterrupt):
        return Exit.INTERRUPTED
    connection.client.cancel_run(board.run_id, "cancelled at the terminal")
    shell.tell(f"{board.short_id} is cancelled")
    return Exit.RUN_CANCELLED


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
