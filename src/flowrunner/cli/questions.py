"""What runs ask people, for commands that show runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from flowrunner.cli.text import clean, countdown
from flowrunner.client import Client, NotFoundError
from flowrunner.wire.approvals import Approval

_PAGE = 200


def open_questions(client: Client) -> dict[UUID, list[Approval]]:
    """Every open approval by its run; none from a server that knows of no approvals."""
    found: dict[UUID, list[Approval]] = defaultdict(list)
    for asked in _all(client, ("open",), None):
        found[asked.run_id].append(asked)
    return dict(found)


def questions_of(client: Client, run: str) -> list[Approval]:
    """Whatever *run* asked, decided or not, oldest first."""
    return list(_all(client, (), run))


def _all(client: Client, status: tuple[str, ...], run: str | None) -> Iterator[Approval]:
    cursor: str | None = None
    while True:
        try:
            page = client.list_approvals(status=status, run=run, limit=_PAGE, cursor=cursor)
        except NotFoundError:
            return
        yield from page.items
        cursor = page.next_cursor
        if cursor is None:
            return


def answer_of(asked: Approval) -> str:
    """How it was decided, in a few words; nothing for what is open."""
    comment = f": {asked.comment}" if asked.comment else ""
    by = f" by {asked.decided_by}" if asked.decided_by else ""
    return "" if asked.status == "open" else clean(f"{asked.status}{by}{comment}")


def told(asked: Approval, now: datetime, *, named: bool) -> Iterator[str]:
    """What is asked and what to type; the step is *named* where the run asks several things."""
    left = asked.expires_at
    expires = f", expires in {countdown((left - now).total_seconds())}" if left else ""
    who = f", only by {', '.join(asked.approvers)}" if asked.approvers else ""
    yield f'Waiting: {asked.step}: "{clean(asked.title)}"{expires}{who}'
    what = f"{str(asked.run_id)[-8:]}" + (f" {asked.step}" if named else "")
    fields = " ".join(f"--set {clean(field)}=…" for field in required(asked))
    yield f"  approve: flowrunner approve {what}" + (f" {fields}" if fields else "")
    yield f"  reject:  flowrunner reject {what} -m WHY"


def required(asked: Approval) -> list[str]:
    """The values that the form demands."""
    return [str(name) for name in (asked.form_schema or {}).get("required", ())]
