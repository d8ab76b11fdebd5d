"""One step of a run as a command shows it: how it stands, since when, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

ENDED = frozenset({"completed", "failed", "skipped", "cancelled", "excluded"})
MOVING = frozenset({"running", "offered", "retrying", "sleeping"})
"""Something other than a person will change these."""

# What a person looks for first.
FIRST = (
    "failed",
    "waiting",
    "retrying",
    "running",
    "offered",
    "cancelled",
    "sleeping",
    "pending",
    "completed",
    "skipped",
    "excluded",
)
_RANKS = {status: rank for rank, status in enumerate(FIRST)}


@dataclass(slots=True)
class Row:
    """One step. *note* says why it stands as it does; *due* is when that changes by itself.

    *name* is its key, and below its parent what remains of it. *total* members were found, *needed*
    must complete, *dropped* are not run. *doing* is what it was last heard to do, at *heard*.
    *quota* names whose quota it waits for.
    """

    number: int
    key: str
    name: str = ""
    kind: str = "agent"
    phase: str = ""
    needs: tuple[str, ...] = ()
    parent: int | None = None
    children: list[int] = field(default_factory=list[int])
    total: int = 0
    needed: int = 0
    dropped: int = 0
    status: str = "pending"
    attempt: int = 0
    since: datetime | None = None
    ended: datetime | None = None
    due: datetime | None = None
    note: str = ""
    quota: str = ""
    doing: str = ""
    heard: datetime | None = None
    tokens: int = 0
    cost: int = 0

    @property
    def rank(self) -> int:
        return _RANKS[self.status]

    @property
    def has_ended(self) -> bool:
        return self.status in ENDED

    def begin_anew(self) -> None:
        """Forget how it ended; what it has cost stays."""
        self.status, self.note, self.quota, self.doing = "pending", "", "", ""
        self.since = self.ended = self.due = self.heard = None


def counted(rows: Iterable[Row]) -> str:
    """Tell how many there are of each status: `2 running, 30 completed`."""
    counts = Counter(row.status for row in rows)
    return ", ".join(f"{counts[status]} {status}" for status in FIRST if counts[status])
