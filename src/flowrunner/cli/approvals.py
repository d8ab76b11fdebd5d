"""`approvals`: what people are asked, what has waited longest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import click

from flowrunner.cli.connect import Own, connected
from flowrunner.cli.paint import Canvas
from flowrunner.cli.shell import Shell, paper, takes_shell
from flowrunner.cli.tables import Columns
from flowrunner.cli.text import clean, clean_text, countdown, fit
from flowrunner.wire.approvals import Approval

_HEADINGS = {
    "run": "RUN",
    "step": "STEP",
    "flow": "FLOW",
    "waits": "WAITS",
    "expires": "EXPIRES",
    "title": "QUESTION",
}
_COLUMNS = Columns(
    _HEADINGS,
    numbers=frozenset({"waits"}),
    optional=frozenset({"expires"}),
    expendable=("flow", "expires", "waits"),
)
_DECIDED = Columns(
    {**_HEADINGS, "status": "STATUS", "by": "BY", "title": "QUESTION"},
    optional=frozenset({"expires", "by"}),
    expendable=("flow", "expires", "waits"),
)
_STEP_CELLS = 24
_STATUSES = ("open", "approved", "rejected", "expired", "withdrawn")


@click.command("approvals")
@click.argument("run", required=False)
@click.option(
    "-s", "--status", multiple=True, type=click.Choice(_STATUSES), help="Default: open ones."
)
@click.option("-n", "--limit", type=click.IntRange(1, 200), default=50, show_default=True)
@click.option("--cursor", help="Go on after an earlier page.")
@takes_shell
def command(
    shell: Shell, *, run: str | None, status: tuple[str, ...], limit: int, cursor: str | None
) -> None:
    """List what people are asked; of one RUN, each question whole."""
    with connected(shell, Own.READING) as connection:
        page = connection.client.list_approvals(
            status=status or ("open",), run=run, limit=limit, cursor=cursor
        )
    if shell.as_json:
        shell.answer(page.model_dump(mode="json"))
        return
    if not page.items:
        shell.tell("nothing waits for a decision" if not status else "there are none")
        return
    if shell.is_quiet:
        for asked in page.items:
            shell.say(asked.id)
        return
    now = datetime.now(UTC)
    show = whole if run is not None else listed
    for line in show(page.items, now, paper(shell)):
        shell.say(line)
    if page.next_cursor:
        shell.tell(f"more: flowrunner approvals --cursor {page.next_cursor}")


def listed(asked: Sequence[Approval], now: datetime, canvas: Canvas) -> Iterator[str]:
    """A line per question, and for open ones how to answer."""
    is_decided = any(each.status != "open" for each in asked)
    columns = _DECIDED if is_decided else _COLUMNS
    rows = [_row(each, now) for each in asked]
    for row in rows if canvas.symbols else ():
        row["step"] = fit(row["step"], min(_STEP_CELLS, canvas.width * 2 // 5))
    heading, *lines = columns.lines(rows, canvas.width)
    yield canvas.bold(heading)
    yield from lines
    if not is_decided:
        what = f"{rows[0]['run']}" if len(rows) == 1 else "RUN [STEP]"
        yield ""
        yield f"read:    flowrunner approvals {what.partition(' ')[0]}"
        yield f"approve: flowrunner approve {what}"
        yield f"reject:  flowrunner reject {what} -m WHY"


def whole(asked: Sequence[Approval], now: datetime, canvas: Canvas) -> Iterator[str]:
    """Each question as it was put, and what to type."""
    for number, each in enumerate(asked):
        if number:
            yield ""
        row = _row(each, now)
        head = canvas.join(each.step, f"{row['flow']} {row['run']}", f"waits {row['waits']}")
        yield canvas.bold(clean(canvas.join(head, _ends(each, now))))
        yield ""
        yield clean_text(each.body_md).rstrip("\n")
        fields = list(_fields(each))
        yield from ["", *fields] if fields else []
        if each.status == "open":
            yield ""
            what = f"{row['run']} {each.step}"
            yield f"approve: flowrunner approve {what}{_example(each)}"
            yield f"reject:  flowrunner reject {what} -m WHY   ({_REJECTED[each.on_reject]})"


_REJECTED = {
    "stop": "the run fails",
    "continue": "the run goes on without it",
    "redo": "the run goes back and does it again",
}


def _ends(asked: Approval, now: datetime) -> str:
    if asked.status != "open":
        return f"{asked.status} by {asked.decided_by}" if asked.decided_by else asked.status
    left = asked.expires_at
    return f"expires in {countdown((left - now).total_seconds())}" if left else ""


def _fields(asked: Approval) -> Iterator[str]:
    """What the form asks for, a line per value."""
    form = asked.form_schema or {}
    demanded = set(form.get("required", ()))
    for name, schema in form.get("properties", {}).items():
        kind = schema.get("type") or " | ".join(map(str, schema.get("enum", ()))) or "value"
        default = f", default {schema['default']!r}" if "default" in schema else ""
        must = ", required" if name in demanded else ""
        what = f": {schema['description']}" if schema.get("description") else ""
        yield clean(f"  {name} ({kind}{must}{default}){what}")


def _example(asked: Approval) -> str:
    form = asked.form_schema or {}
    return "".join(f" --set {clean(str(name))}=…" for name in form.get("required", ()))


def _row(asked: Approval, now: datetime) -> dict[str, str]:
    left = asked.expires_at if asked.status == "open" else None
    waited = (asked.decided_at or now) - asked.requested_at
    return {
        "run": str(asked.run_id)[-8:],
        "step": asked.step,
        "flow": asked.flow,
        "waits": countdown(waited.total_seconds()),
        "expires": f"in {countdown((left - now).total_seconds())}" if left else "",
        "status": asked.status,
        "by": asked.decided_by or "",
        "title": asked.title,
    }
