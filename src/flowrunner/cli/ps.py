"""`ps`: runs, newest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import click

from flowrunner.cli.arguments import read_labels
from flowrunner.cli.connect import UNATTENDED, Own, actor, connected, is_unattended
from flowrunner.cli.exits import CommandError, Exit
from flowrunner.cli.paint import Canvas
from flowrunner.cli.questions import open_questions
from flowrunner.cli.shell import Shell, paper, takes_shell
from flowrunner.cli.tables import Columns
from flowrunner.cli.text import countdown, fit, money, span
from flowrunner.cli.times import parse_since
from flowrunner.client.calls import Which
from flowrunner.wire.approvals import Approval
from flowrunner.wire.runs import RunPage, RunRow

_COLUMNS = Columns(
    {
        "id": "ID",
        "flow": "FLOW",
        "status": "STATUS",
        "steps": "STEPS",
        "age": "AGE",
        "took": "TOOK",
        "cost": "COST",
        "title": "TITLE",
    },
    numbers=frozenset({"steps", "age", "took", "cost"}),
    optional=frozenset({"cost"}),
    expendable=("took", "cost", "age", "steps", "title"),
)
_LIVE = ("queued", "running", "paused")
_STATUSES = (*_LIVE, "completed", "failed", "cancelled")
_FLOW_CELLS, _FLOW_CELLS_NARROW, _NARROW = 24, 14, 100

Asked = Mapping[UUID, Sequence[Approval]]


@click.command("ps")
@click.option("-a", "--all", "everything", is_flag=True, help="As many as one page holds (200).")
@click.option("-f", "--flow", help="Only runs of this flow.")
@click.option(
    "-s", "--status", multiple=True, type=click.Choice(_STATUSES), help="Only runs in this state."
)
@click.option("--live", is_flag=True, help="Only runs that have not ended.")
@click.option("--waiting", is_flag=True, help="Only runs that ask somebody something.")
@click.option("--mine", is_flag=True, help="Only runs that you launched.")
@click.option("-l", "--label", "labels", metavar="NAME=VALUE", multiple=True)
@click.option("--title", metavar="TEXT", help="Only runs with this in their title.")
@click.option("--since", metavar="WHEN", help="A time, or how long ago: 30m, 24h, 7d.")
@click.option("--until", metavar="WHEN", help="Likewise: launched before then.")
@click.option("-n", "--limit", type=click.IntRange(1, 200), default=20, show_default=True)
@click.option("--cursor", help="Go on after an earlier page.")
@takes_shell
def command(
    shell: Shell, *, everything: bool, limit: int, cursor: str | None, **options: Any
) -> None:
    """List runs, newest first; with -q their ids only."""
    which = _which(options)
    most = 200 if everything else limit
    with connected(shell, Own.READING) as connection:
        client = connection.client
        page = client.list_runs(limit=most, cursor=cursor, **which)
        any_live = any(run.finished_at is None for run in page.items)
        asked = open_questions(client) if any_live else {}
        is_still = any_live and is_unattended(connection)
    _print(shell, page, asked)
    if is_still and not shell.as_json:
        shell.tell(UNATTENDED)


def _which(options: dict[str, Any]) -> Which:
    """What the options narrow the list to. Raises CommandError."""
    now = datetime.now(UTC)
    me = actor()
    if options["mine"] and me is None:
        raise CommandError("this machine has no name for you", Exit.USAGE, code="usage")
    return Which(
        flow=options["flow"],
        status=(*options["status"], *(_LIVE if options["live"] else ())),
        labels=read_labels(options["labels"]),
        q=options["title"],
        launched_by=me if options["mine"] else None,
        since=parse_since(options["since"], now) if options["since"] else None,
        until=parse_since(options["until"], now) if options["until"] else None,
        waiting=options["waiting"] or None,
    )


def _print(shell: Shell, page: RunPage, asked: Asked) -> None:
    if shell.as_json:
        shell.answer(page.model_dump(mode="json"))
    elif shell.is_quiet:
        for run in page.items:
            shell.say(str(run.id))
    elif not page.items:
        shell.tell("no runs: flowrunner run FLOW starts one, flowrunner flows lists the flows")
    else:
        for line in listed(page.items, asked, datetime.now(UTC), paper(shell)):
            shell.say(line)
        if hint := _next(page.items, asked):
            shell.tell(hint)
        if page.next_cursor:
            shell.tell(f"older: flowrunner ps --cursor {page.next_cursor}")


def listed(runs: Sequence[RunRow], asked: Asked, now: datetime, canvas: Canvas) -> list[str]:
    """A line per run below a heading; on a terminal each with the sign of its state."""
    words = [_word(run, asked.get(run.id, ())) for run in runs]
    rows = [
        _row(run, word, asked.get(run.id, ()), now) for run, word in zip(runs, words, strict=True)
    ]
    if not canvas.symbols:
        return _COLUMNS.lines(rows, canvas.width)
    most = _FLOW_CELLS if canvas.width >= _NARROW else _FLOW_CELLS_NARROW
    for row, word in zip(rows, words, strict=True):
        row["status"] = f"{canvas.sign(word)} {row['status']}"
        row["flow"] = fit(row["flow"], most)
    lines = _COLUMNS.lines(rows, canvas.width)
    coloured = (
        line.replace(canvas.sign(word), canvas.tint(canvas.sign(word), word), 1)
        for line, word in zip(lines[1:], words, strict=True)
    )
    return [canvas.bold(lines[0]), *coloured]


def _word(run: RunRow, asked: Sequence[Approval]) -> str:
    """The state as people call it: a run of which only a person can move something waits."""
    return "waiting" if asked and run.status == "running" and not run.steps.running else run.status


def _row(run: RunRow, word: str, asked: Sequence[Approval], now: datetime) -> dict[str, str]:
    took = ((run.finished_at or now) - run.created_at).total_seconds()
    return {
        "id": _short(run),
        "flow": run.flow,
        "status": word + ("*" if run.degraded else ""),
        "steps": f"{run.steps.done}/{run.steps.total}",
        "age": countdown((now - run.created_at).total_seconds()),
        "took": span(took) if run.finished_at else "",
        "cost": money(run.usage.cost_microusd) if run.usage.cost_microusd else "",
        "title": _title(run, asked),
    }


def _title(run: RunRow, asked: Sequence[Approval]) -> str:
    """What one would want to know next: what is asked, what went wrong, what it is about."""
    asks = f"approval: {', '.join(each.step for each in asked)}" if asked else ""
    if asks:
        return f"{asks} ({run.title})" if run.title else asks
    error = f"{run.error.code}: {run.error.message}" if run.error else ""
    return ": ".join(part for part in (run.outcome, run.title, error) if part)


def _next(runs: Sequence[RunRow], asked: Asked) -> str | None:
    """What to type where people are waited for."""
    waiting = [run for run in runs if run.id in asked]
    paused = [run for run in runs if run.status == "paused"]
    if not waiting:
        return f"paused, goes on with: flowrunner resume {_short(paused[0])}" if paused else None
    first = asked[waiting[0].id]
    if len(waiting) > 1 or len(first) > 1:
        return f"{sum(len(asked[run.id]) for run in waiting)} decisions wait: flowrunner approvals"
    return f"a decision waits: flowrunner approve {_short(waiting[0])}   (or reject)"


def _short(run: RunRow) -> str:
    return str(run.id)[-8:]
