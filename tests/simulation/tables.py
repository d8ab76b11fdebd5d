"""What the model of the database holds: the tables of alembic/, as values that can be looked at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias
from uuid import UUID

Json: TypeAlias = dict[str, Any]
TaskKey: TypeAlias = tuple[UUID, int, int]
"""Run, step, attempt."""

BEGAN = datetime(2030, 1, 1, tzinfo=UTC)
"""What the clock of the database says when a play begins."""
STEP_ENDS = frozenset({"excluded", "completed", "failed", "skipped", "cancelled"})


@dataclass(slots=True)
class StepLine:
    """A row of flow_steps."""

    number: int
    key: str
    kind: str
    persona: str | None
    parent: int | None
    item: int | None
    call: Json | None
    status: str = "pending"
    attempt: int = 0
    failures: int = 0
    crashes: int = 0
    delayed: bool = False
    epoch: int = 0
    redos: int = 0
    cascades: bool = False
    held_back: bool = False
    left_behind: bool = False
    family: Json | None = None
    prompt: str | None = None
    output: str | None = None
    error: Json | None = None
    reason: str | None = None

    @property
    def has_ended(self) -> bool:
        return self.status in STEP_ENDS

    def as_loaded(self) -> list[Any]:
        """As `LOAD_RUN` selects it."""
        return [
            self.number, self.status, self.attempt, self.failures, self.crashes, self.delayed,
            self.epoch, self.prompt, self.output, self.error, self.reason, self.cascades,
            self.redos, self.family, self.held_back, self.left_behind, self.key, self.parent,
            self.item, self.persona, self.call,
        ]  # fmt: skip


@dataclass(slots=True)
class RunLine:
    """A row of flow_runs, with its meta row, its steps and its log."""

    id: UUID
    meta: Json
    definition: int
    status: str
    version: int
    remaining: int
    ready: int
    tolerated: int
    error: Json | None
    updated_at: float
    rejected: int = 0
    generation: int = 1
    spent: tuple[int, int, int] = (0, 0, 0)
    outcome: str | None = None
    report: str | None = None
    has_ended: bool = False
    steps: list[StepLine] = field(default_factory=list[StepLine])
    events: list[tuple[int, str, int | None, Json]] = field(
        default_factory=list[tuple[int, str, "int | None", Json]]
    )


@dataclass(slots=True)
class Place:
    """A row of task_queue."""

    run: UUID
    step: int
    attempt: int
    queue: str
    sort_key: int
    epoch: int | None = None
    worker: UUID | None = None


@dataclass(slots=True)
class Timer:
    token: int
    due_at: float


@dataclass(slots=True)
class Question:
    """A row of flow_approvals."""

    request: str
    status: str
    expires_at: float | None
    actor: str | None = None
    comment: str | None = None
    answer: str | None = None
    decided_at: float = 0.0


@dataclass(slots=True)
class Letterbox:
    """A row of task_results."""

    id: int
    run: UUID
    step: int
    attempt: int
    epoch: int
    outcome: str
    output: str | None
    error: str | None
    usage: str | None
    verdict: str | None = None
    provider: str | None = None
    quota_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Left:
    """A report that reached the inbox, whatever became of it; *was_held*: its lease stood then."""

    run: UUID
    step: int
    attempt: int
    epoch: int
    was_held: bool


@dataclass(frozen=True, slots=True)
class Committed:
    """A run that a statement moved on from *version*; *held*: its leases until then, by step."""

    run: UUID
    version: int
    held: Mapping[int, int | None]


@dataclass(slots=True)
class Tables:
    """One database. *now* is its clock, the only one that decides anything."""

    now: float = 0.0
    started_at: float = -1e9
    runs: dict[UUID, RunLine] = field(default_factory=dict[UUID, RunLine])
    live: set[UUID] = field(default_factory=set[UUID])
    keys: dict[str, UUID] = field(default_factory=dict[str, UUID])
    graphs: dict[int, Json] = field(default_factory=dict[int, Json])
    tasks: dict[TaskKey, Json] = field(default_factory=dict[TaskKey, Json])
    queue: dict[tuple[UUID, int], Place] = field(default_factory=dict[tuple[UUID, int], Place])
    timers: dict[tuple[UUID, int, str], Timer] = field(
        default_factory=dict[tuple[UUID, int, str], Timer]
    )
    questions: dict[TaskKey, Question] = field(default_factory=dict[TaskKey, Question])
    payloads: dict[str, bytes] = field(default_factory=dict[str, bytes])
    workers: dict[UUID, float] = field(default_factory=dict[UUID, float])
    """When each one's lease ends."""
    results: list[Letterbox] = field(default_factory=list[Letterbox])
    committed: list[Committed] = field(default_factory=list[Committed])
    """What the statement that runs now has moved."""
    left: list[Left] = field(default_factory=list[Left])
    last_epoch: int = 0
    last_result: int = 0
    ticks: int = 0
    paused: dict[str, float] = field(default_factory=dict[str, float])
    """provider_pauses: until when each answers nobody."""
    notices: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """What is notified with the next commit."""

    def tick(self) -> float:
        """Return the time of day, later with every call: as clock_timestamp() in one statement."""
        self.ticks += 1
        return self.now + self.ticks * 1e-9

    def timers_of(self, run: UUID) -> defaultdict[int, set[str]]:
        """The kinds of timers by step."""
        found: defaultdict[int, set[str]] = defaultdict(set)
        for of, step, kind in self.timers:
            if of == run:
                found[step].add(kind)
        return found

    def is_reported(self, place: Place) -> bool:
        """Whether the inbox holds a result of this lease that nobody has read."""
        return any(
            row.verdict is None
            and (row.run, row.step, row.epoch) == (place.run, place.step, place.epoch)
            for row in self.results
        )
