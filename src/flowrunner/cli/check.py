"""`check`: the invariants of everything that is stored."""

from __future__ import annotations

import asyncio

import click
from psycopg import AsyncConnection

from flowrunner.bootstrap import open_database
from flowrunner.cli.configure import configure
from flowrunner.cli.exits import Exit
from flowrunner.cli.shell import Shell, takes_shell
from flowrunner.cli.text import clean
from flowrunner.service.checking import Violation, check


@click.command("check")
@takes_shell
def command(shell: Shell) -> None:
    """Check that every stored run holds what is promised; changes nothing, may run any time."""
    with open_database(configure(shell)) as addresses:
        found = asyncio.run(_check(addresses.database))
    code = int(Exit.UNEXPECTED if found else Exit.OK)
    if shell.as_json:
        told = [{"code": v.code, "run_id": _run(v), "message": v.message} for v in found]
        shell.answer({"violations": told, "exit_code": code})
        raise click.exceptions.Exit(code)
    for violation in found:
        shell.say(clean(f"{violation.code} {_run(violation) or '-'}: {violation.message}"))
    shell.tell(f"{len(found)} violations")
    raise click.exceptions.Exit(code)


def _run(violation: Violation) -> str | None:
    return None if violation.run_id is None else str(violation.run_id)


async def _check(database: str) -> list[Violation]:
    async with await AsyncConnection.connect(database, autocommit=True) as conn:
        return await check(conn)
