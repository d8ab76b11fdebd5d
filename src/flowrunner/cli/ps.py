"""`ps`: runs, newest first."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from flowrunner.cli.arguments import read_labels
from flowrunner.cli.connect import Own, connected
from flowrunner.cli.shell import Shell, table, takes_shell
from flowrunner.cli.text import span
from flowrunner.cli.times import parse_since
from flowrunner.wire.runs import RunRow

_COLUMNS = {
    "id": "ID",
    "flow": "FLOW",
    "status": "STATUS",
    "steps": "STEPS",
    "age": "AGE",
    "took": "TOOK",
    "cost": "COST",
    "title": "TITLE",
}
_LIVE = ("queued", "running", "paused")
_STATUSES = (*_LIVE, "completed", "failed", "cancelled")


@click.command("ps")
@click.option("-f", "--flow", help="Only runs of this flow.")
@click.option(
    "-s", "--status", multiple=True, type=click.Choice(_STATUSES), help="Only runs in this state."
)
@click.option("--live", is_flag=True, help="Only runs that have not ended.")
@click.option("-l", "--label", "labels", metavar="NAME=VALUE", multiple=True)
@click.option("--since", metavar="WHEN", help="A time, or how long ago: 30m, 24h, 7d.")
@click.option("-n", "--limit", type=click.IntRange(1, 200), default=20, show_default=True)
@click.option("--cursor", help="Go on after an earlier page.")
@takes_shell
def command(
    shell: Shell,
    *,
    flow: str | None,
    status: tuple[str, ...],
    live: bool,
    labels: tuple[str, ...],
    since: str | None,
    limit: int,
    cursor: str | None,
) -> None:
    """List runs, newest first; with -q their ids only."""
    statuses = (*status, *(_LIVE if live else ()))
    at = parse_since(since, datetime.now(UTC)) if since else None
    wanted = read_labels(labels)
    with connected(shell, Own.READING) as connection:
        page = connection.client.list_runs(
            flow=flow, status=statuses, labels=wanted, since=at, limit=limit, cursor=cursor
        )
    if shell.as_json:
        shell.answer(page.model_dump(mode="json"))
    elif shell.is_quiet:
        for run in page.items:
            shell.say(str(run.id))
    elif not page.items:
        shell.tell("no runs: flowrunner run FLOW starts one, flowrunner flows lists the flows")
    else:
        _print(shell, page.items)
        if page.next_cursor:
            shell.tell(f"older: flowrunner ps --cursor {page.next_cursor}")


def _print(shell: Shell, runs: tuple[RunRow, ...]) -> None:
    now = datetime.now(UTC)
    columns = dict(_COLUMNS)
    if not any(run.usage.cost_microusd for run in runs):
        del columns["cost"]
    for line in table((_row(run, now) for run in runs), columns):
        shell.say(line)


def _row(run: RunRow, now: datetime) -> dict[str, str]:
    took = ((run.finished_at or now) - run.created_at).total_seconds()
    status = run.status + ("*" if run.degraded else "")
    return {
        "id": str(run.id)[-8:],
        "flow": run.flow,
        "status": f"{status} {run.outcome}" if run.outcome else status,
        "steps": f"{run.steps.done}/{run.steps.total}",
        "age": span((now - run.created_at).total_seconds()),
        "took": span(took) if run.finished_at else "",
        "cost": f"${run.usage.cost_microusd / 1e6:.2f}" if run.usage.cost_microusd else "",
        "title": run.title or (run.error.message if run.error else ""),
    }
