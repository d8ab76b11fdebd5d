"""`workers`: who holds leases."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from flowrunner.cli.connect import Own, connected
from flowrunner.cli.shell import Shell, takes_shell
from flowrunner.cli.tables import table
from flowrunner.cli.text import span
from flowrunner.wire.workers import Worker

_COLUMNS = {
    "name": "NAME",
    "queues": "QUEUES",
    "slots": "SLOTS",
    "state": "STATE",
    "age": "AGE",
    "version": "VERSION",
}


@click.command("workers")
@takes_shell
def command(shell: Shell) -> None:
    """List every process that holds leases, and those that died in the last day."""
    with connected(shell, Own.READING) as connection:
        found = connection.client.list_workers()
    if shell.as_json:
        shell.answer(found.model_dump(mode="json"))
        return
    now = datetime.now(UTC)
    if not found.items:
        shell.tell("no worker: flowrunner serve or flowrunner worker starts one")
        return
    for line in table((_row(worker, now) for worker in found.items), _COLUMNS):
        shell.say(line)


def _row(worker: Worker, now: datetime) -> dict[str, str]:
    ago = span(abs((now - worker.expires_at).total_seconds()))
    return {
        "name": f"{worker.name} ({worker.pid})",
        "queues": ",".join(worker.queues),
        "slots": f"{worker.held}/{worker.slots}",
        "state": "live" if worker.is_live else f"gone, lease ended {ago} ago",
        "age": span((now - worker.started_at).total_seconds()),
        "version": worker.version,
    }
