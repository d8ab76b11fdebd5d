"""`db upgrade|check|stats`: the database itself."""

from __future__ import annotations

import asyncio

import click
from psycopg import AsyncConnection

from flowrunner.bootstrap import (
    Addresses,
    SchemaError,
    reach_database,
    upgrade_schema,
)
from flowrunner.cli.configure import configure
from flowrunner.cli.shell import Shell, takes_shell
from flowrunner.cli.tables import table
from flowrunner.db import migrations, standing
from flowrunner.db.pages import RunFilter, count_runs
from flowrunner.db.sizes import TableSize, list_table_sizes


@click.group("db")
def command() -> None:
    """Upgrade, check and measure the database."""


@command.command("upgrade")
@takes_shell
def upgrade(shell: Shell) -> None:
    """Bring the tables to this version's schema. May be repeated; waits for a rival's run."""
    with reach_database(configure(shell)) as addresses:
        before = upgrade_schema(addresses.owner)
        after = standing.look(addresses.owner).found
    if shell.as_json:
        shell.answer({"before": before, "after": after})
    elif before == after:
        shell.say(f"schema {after}: nothing to do")
    else:
        shell.say(f"schema {after}, was {before or 'empty'}")


@command.command("check")
@takes_shell
def check(shell: Shell) -> None:
    """Say whether this version can work on the tables; exit with 1 if it cannot."""
    with reach_database(configure(shell)) as addresses:
        now = standing.look(addresses.database)
    if shell.as_json:
        code = int(not now.is_fit)
        wanted, served = migrations.head(), sorted(now.served)
        told = {"schema": now.found, "wanted": wanted, "served": served, "exit_code": code}
        shell.answer(told)
        raise click.exceptions.Exit(code)
    if now.complaint is not None:
        raise SchemaError(now.complaint, hint=now.hint)
    is_newer = f"newer than {migrations.head()}, which it serves" if now.is_newer else "current"
    shell.say(f"schema {now.found}, {is_newer}")


@command.command("stats")
@takes_shell
def stats(shell: Shell) -> None:
    """Count runs by status, and rows and bytes by table."""
    with reach_database(configure(shell)) as addresses:
        counts, sizes = asyncio.run(_measure(addresses))
    if shell.as_json:
        told = {size.name: {"rows": size.row_estimate, "bytes": size.bytes} for size in sizes}
        shell.answer({"runs": counts, "tables": told})
        return
    shell.say(
        ", ".join(f"{count} {status}" for status, count in sorted(counts.items())) or "no runs"
    )
    rows = [
        {"name": size.name, "rows": f"{size.row_estimate}", "bytes": _bytes(size.bytes)}
        for size in sizes
    ]
    for line in table(rows, {"name": "TABLE", "rows": "ROWS (ABOUT)", "bytes": "SIZE"}):
        shell.say(line)


async def _measure(addresses: Addresses) -> tuple[dict[str, int], list[TableSize]]:
    async with await AsyncConnection.connect(addresses.database, autocommit=True) as conn:
        return await count_runs(conn, RunFilter()), await list_table_sizes(conn)


def _bytes(count: int) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:  # noqa: PLR2004  # the next unit begins
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
