"""`show RUN`: one run with its steps, or one step of it up close."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import click

from flowrunner.cli import closeup, history
from flowrunner.cli.board import Board
from flowrunner.cli.brief import brief
from flowrunner.cli.connect import UNATTENDED, Own, connected, is_unattended
from flowrunner.cli.overview import board_of, label, listing
from flowrunner.cli.paint import Canvas
from flowrunner.cli.questions import answer_of, questions_of, told
from flowrunner.cli.rows import Row
from flowrunner.cli.shell import Shell, paper, takes_shell
from flowrunner.cli.text import clean, clean_text, fit, money, span, tokens_of
from flowrunner.client import Client
from flowrunner.wire.approvals import Approval
from flowrunner.wire.runs import Run, StepRow

# Results are looked at one by one: beyond so many steps a table of them would take too long.
_MOST_RESULTS = 40
_MOST_FAILURES = 5
_BAD = ("failed", "retrying")
_MOST_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Seen:
    """A run with all that belongs to it."""

    run: Run
    steps: tuple[StepRow, ...]
    asked: tuple[Approval, ...]
    results: dict[int, str]


@click.command("show")
@click.argument("run", default="@last")
@click.option("--step", metavar="KEY[#ATTEMPT]", help="One step: attempts, prompt, output, error.")
@click.option("--input", "with_input", is_flag=True, help="Show the input too.")
@click.option("--result", "with_result", is_flag=True, help="Show what the report holds as JSON.")
@click.option("--usage", "with_usage", is_flag=True, help="Show what each attempt has cost.")
@click.option("--events", "with_events", is_flag=True, help="Show everything that happened.")
@click.option("--all", "whole", is_flag=True, help="List every member of long lists.")
@takes_shell
def command(shell: Shell, *, run: str, step: str | None, whole: bool, **parts: bool) -> None:
    """Show RUN (an id, 4 or more of its characters, @last) with its steps."""
    with connected(shell, Own.READING) as connection:
        client = connection.client
        found = client.get_run(run)
        if step is not None:
            closeup.show(shell, client, found, step)
            return
        seen = look(client, found, with_results=not shell.as_json)
        more = history.more(client, found, **parts)
        is_still = found.finished_at is None and is_unattended(connection)
    if shell.as_json:
        shell.answer(_told(seen, more))
        return
    canvas = paper(shell)
    for line in page(seen, datetime.now(UTC), canvas, whole=whole):
        shell.say(line)
    for heading, lines in history.sections(seen.run, more, canvas):
        shell.say(f"\n{canvas.bold(heading)}")
        for line in lines:
            shell.say(clean_text(line))
    if is_still:
        shell.tell(f"\n{UNATTENDED}")
    _tell_what_next(shell, found)


def _tell_what_next(shell: Shell, run: Run) -> None:
    short = str(run.id)[-8:]
    if run.finished_at is None:
        shell.tell(f"\nfollow it: flowrunner watch {short}")
    if run.has_report:
        shell.tell(f"\nreport: flowrunner report {short}")


def look(client: Client, run: Run, *, with_results: bool) -> Seen:
    """Ask for everything that the page shows; results only *with_results*, since each is asked."""
    steps = all_steps(client, str(run.id))
    has_asked = any(step.kind == "approval" and step.attempt for step in steps)
    asked = questions_of(client, str(run.id)) if has_asked else []
    latest = {each.step: answer_of(each) for each in asked}
    results = {step.step_no: latest[step.key] for step in steps if latest.get(step.key)}
    results |= _results(client, run, steps) if with_results else {}
    still_open = tuple(each for each in asked if each.status == "open")
    return Seen(run, steps, still_open, results)


def _results(client: Client, run: Run, steps: Sequence[StepRow]) -> dict[int, str]:
    """What agents and code came to, in a few words each."""
    done = [step for step in steps if step.status == "completed" and step.children is None]
    speaking = [step for step in done if step.kind in {"agent", "code"}]
    if len(speaking) > _MOST_RESULTS:
        return {}
    return {step.step_no: _result(client, str(run.id), step.key) for step in speaking}


def _result(client: Client, run: str, key: str) -> str:
    """Half a JSON text tells nothing: what a preview cuts is read whole, if it is not too long."""
    detail = client.get_step(run, key)
    size, preview = detail.output_bytes or 0, detail.output_preview or ""
    if size <= len(preview.encode()) or preview[:1] not in {"{", "["}:
        return brief(preview)
    if size > _MOST_BYTES:
        return f"{size // 1000} kB of JSON"
    return brief(client.output(run, key))


def all_steps(client: Client, run: str) -> tuple[StepRow, ...]:
    """Every page of the run's steps."""
    found: list[StepRow] = []
    cursor: str | None = None
    while True:
        page_ = client.list_steps(run, cursor=cursor)
        found += page_.items
        cursor = page_.next_cursor
        if cursor is None:
            return tuple(found)


def page(seen: Seen, now: datetime, canvas: Canvas, *, whole: bool = False) -> Iterator[str]:
    """The heading, what people are asked, and the table of steps."""
    run = seen.run
    yield from _heading(run, bool(seen.asked), now, canvas)
    for asked in seen.asked:
        yield ""
        first, *rest = told(asked, now, named=len(seen.asked) > 1)
        yield canvas.tint(fit(clean(first), canvas.width, canvas.dots), "waiting")
        yield from rest
    yield ""
    board = board_of(run, seen.steps, seen.asked)
    yield from listing(board, now, canvas, seen.results, whole=whole)
    yield from _failures(board, canvas)


def _failures(board: Board, canvas: Canvas) -> Iterator[str]:
    """Why steps failed, whole: a table may have to cut it, and it is what one came for."""
    bad = [row for row in board.rows.values() if row.status in _BAD and not row.children]
    failed = [row for row in sorted(bad, key=_weight) if row.note and not row.quota]
    if not failed:
        return
    yield ""
    for row in failed[:_MOST_FAILURES]:
        yield f"{canvas.tint(canvas.sign(row.status), row.status)} {row.key}: {row.note}"
    more = len(failed) - _MOST_FAILURES
    yield from [f"{canvas.dots} and {more} more"] if more > 0 else []
    yield f"  what they said: flowrunner logs {board.short_id} --failed"


def _weight(row: Row) -> int:
    return _BAD.index(row.status)


def _heading(run: Run, is_asked: bool, now: datetime, canvas: Canvas) -> Iterator[str]:  # noqa: FBT001  # named where it is called
    took = span(((run.finished_at or now) - run.created_at).total_seconds())
    waits = is_asked and not run.steps.running and run.status == "running"
    status = "waiting for approval" if waits else run.status
    outcome = f"outcome {run.outcome}" if run.outcome else ""
    parts = (f"{clean(run.flow)} {str(run.id)[-8:]}", status, outcome)
    yield canvas.bold(canvas.join(*parts, "degraded" if run.degraded else "", took))
    lines = {
        "title": run.title,
        "project": run.project_root,
        "runs": f"band {run.band}, agent {run.agent}" + (f", {run.model}" if run.model else ""),
        "id": str(run.id),
        "launched": _launched(run),
        "labels": ", ".join(f"{key}={value}" for key, value in run.labels.items()),
        "spent": _spent(run),
        "error": f"{run.error.code}: {run.error.message}" if run.error else "",
    }
    for name, text in lines.items():
        if text:
            yield label(name, text, canvas.width)


def _launched(run: Run) -> str:
    at = run.created_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    again = f", begun {run.generation} times" if run.generation > 1 else ""
    return f"{at} by {run.launched_by or 'unknown'} ({run.trigger}){again}"


def _spent(run: Run) -> str:
    tokens = run.usage.input_tokens + run.usage.output_tokens
    return f"{tokens_of(tokens)}, {money(run.usage.cost_microusd)}" if tokens else ""


def _told(seen: Seen, more: dict[str, Any]) -> dict[str, Any]:
    steps = [step.model_dump(mode="json") for step in seen.steps]
    asked = [each.model_dump(mode="json") for each in seen.asked]
    run = seen.run.model_dump(mode="json")
    return json.loads(json.dumps({**run, "step_list": steps, "approvals": asked, **more}))
