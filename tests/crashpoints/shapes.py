"""The shapes of runs that are played, and what the outside world does to each."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from psycopg import AsyncConnection

from flowrunner.bootstrap.service import Service
from flowrunner.core.model import RunId
from flowrunner.definitions.library import Library
from flowrunner.dispatch.ports import Task
from flowrunner.wire.tasks import TaskError, TaskReport, Usage

Act: TypeAlias = Coroutine[Any, Any, object]

_LOOK = """
SELECT r.version, r.status,
       (SELECT array_agg(DISTINCT e.type) FROM flow_step_events e WHERE e.run_id = r.id),
       (SELECT jsonb_object_agg(s.key, s.status) FROM flow_steps s
         WHERE s.run_id = r.id AND NOT s.left_behind),
       (SELECT array_agg(a.run_id || '.' || a.step_no || '.' || a.attempt)
          FROM flow_approvals a WHERE a.run_id = r.id AND a.status = 'open')
  FROM flow_runs r WHERE r.id = %s
"""


@dataclass(frozen=True, slots=True)
class Look:
    """A run as somebody outside sees it."""

    version: int = 0
    status: str = "unknown"
    happened: frozenset[str] = frozenset()
    steps: dict[str, str] = field(default_factory=dict[str, str])
    open: tuple[str, ...] = ()

    @classmethod
    async def at(cls, conn: AsyncConnection[Any], run_id: RunId) -> Look:
        row = await (await conn.execute(_LOOK, (run_id,))).fetchone()
        if row is None:
            return cls()
        return cls(row[0], row[1], frozenset(row[2]), row[3], tuple(row[4] or ()))

    @property
    def is_ended(self) -> bool:
        return self.status in {"completed", "failed", "cancelled"}


class Shape:
    """A flow, its agents, and who steers it. What is asked may be asked again: replicas die."""

    inbox = False
    """The worker reports through SQL."""
    is_exact = True
    """Every play ends with the same steps and answers as one without a crash."""
    may_refuse = False
    """An answer may come too late by design."""

    def __init__(self, name: str, library: Library) -> None:
        self.name = name
        self.library = library
        self._happened: dict[str, asyncio.Event] = {}

    def watch(self, seen: Look) -> None:
        for what in seen.happened:
            self._event(what).set()

    def begin(self) -> None:
        """Forget the play before."""
        self._happened.clear()

    async def has_happened(self, what: str) -> None:
        """Wait until somebody outside has seen an event of that type."""
        await self._event(what).wait()

    def is_over(self, seen: Look) -> bool:
        return seen.is_ended

    def steer(self, seen: Look, service: Service, run_id: RunId) -> Act | None:  # noqa: ARG002  # for those who do
        """What is asked of *service* now."""
        return None

    async def answer(self, task: Task) -> TaskReport:
        return said(task)

    def _event(self, what: str) -> asyncio.Event:
        return self._happened.setdefault(what, asyncio.Event())


def said(task: Task) -> TaskReport:
    """An answer that tells which execution gave it."""
    spent = Usage(input_tokens=3, output_tokens=2, cost_microusd=1)
    text = f"{task.step_key} by {task.epoch}"
    return TaskReport(epoch=task.epoch, outcome="completed", output=text, usage=spent)


def failed(task: Task, failure_class: Any = "fatal") -> TaskReport:
    error = TaskError(code="agent_error", message="it gave up", failure_class=failure_class)
    return TaskReport(epoch=task.epoch, outcome="failed", error=error)
