"""The longer parts of `show`: input, result, usage and events."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from flowrunner.cli.board import Board
from flowrunner.cli.paint import Canvas
from flowrunner.cli.tables import Columns
from flowrunner.cli.text import clean, money, span
from flowrunner.client import Client, ConflictError, NotFoundError
from flowrunner.wire.events import Event
from flowrunner.wire.runs import Attempt, Run, StepRow

_USAGE = Columns(
    {
        "step": "STEP",
        "try": "TRY",
        "status": "STATUS",
        "time": "TIME",
        "in": "IN",
        "out": "OUT",
        "cost": "COST",
    },
    numbers=frozenset({"try", "time", "in", "out", "cost"}),
)

Section = tuple[str, Iterator[str]]


def more(
    client: Client,
    run: Run,
    *,
    with_input: bool,
    with_result: bool,
    with_usage: bool,
    with_events: bool,
) -> dict[str, Any]:
    """Ask for what was asked for, as JSON."""
    found: dict[str, Any] = {}
    if with_input:
        found["input"] = run.input
    if with_result:
        found["result"] = _result(client, str(run.id))
    if with_usage:
        found["attempts"] = list(_attempts(client, str(run.id)))
    if with_events:
        found["events"] = [event.model_dump(mode="json") for event in events_of(client, run)]
    return found


def sections(run: Run, found: dict[str, Any], canvas: Canvas) -> Iterator[Section]:
    """The same for people, each part with its heading."""
    for name in ("input", "result"):
        if name in found:
            text = json.dumps(found[name], indent=2, ensure_ascii=False)
            yield name.capitalize(), iter(text.splitlines())
    if "attempts" in found:
        yield "Usage", iter(_usage(found["attempts"], canvas))
    if "events" in found:
        events = [Event.model_validate(each) for each in found["events"]]
        yield "Events", _lines(Board(str(run.id)), events)


def events_of(client: Client, run: Run) -> Iterator[Event]:
    """What has happened until now; a run that goes on is not waited for."""
    for event in client.events(str(run.id)):
        yield event
        if event.seq >= run.version:
            return


def _lines(board: Board, events: Sequence[Event]) -> Iterator[str]:
    for event in events:
        at = event.at.astimezone().strftime("%H:%M:%S")
        told = board.hear(event) or f"{clean(event.key or '')} {event.type}".strip()
        yield f"{event.seq:>6}  {at}  {told}"


def _result(client: Client, run: str) -> Any:
    try:
        return json.loads(client.report(run, "json"))["data"]
    except (NotFoundError, ConflictError):
        return None


def _attempts(client: Client, run: str) -> Iterator[dict[str, Any]]:
    """Every attempt of every step, with the step's key."""
    cursor: str | None = None
    while True:
        page = client.list_steps(run, attempt="all", cursor=cursor)
        for step in page.items:
            yield from (_with_key(step, each) for each in step.attempts or ())
        cursor = page.next_cursor
        if cursor is None:
            return


def _with_key(step: StepRow, attempt: Attempt) -> dict[str, Any]:
    return {"step": step.key, **attempt.model_dump(mode="json")}


def _usage(attempts: Sequence[dict[str, Any]], canvas: Canvas) -> list[str]:
    rows = [_usage_row(each["step"], Attempt.model_validate(each)) for each in attempts]
    total = {
        "step": "all",
        "in": str(sum(each["usage"]["input_tokens"] for each in attempts)),
        "out": str(sum(each["usage"]["output_tokens"] for each in attempts)),
        "cost": money(sum(each["usage"]["cost_microusd"] for each in attempts)),
    }
    return _USAGE.lines([*rows, total], canvas.width)


def _usage_row(step: str, attempt: Attempt) -> dict[str, str]:
    began = attempt.started_at or attempt.dispatched_at
    took = (attempt.finished_at - began).total_seconds() if began and attempt.finished_at else None
    spent = attempt.usage
    return {
        "step": step,
        "try": str(attempt.attempt),
        "status": attempt.status,
        "time": span(took) if took is not None else "",
        "in": str(spent.input_tokens) if spent.input_tokens else "",
        "out": str(spent.output_tokens) if spent.output_tokens else "",
        "cost": money(spent.cost_microusd) if spent.cost_microusd else "",
    }
