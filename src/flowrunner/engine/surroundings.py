"""Where an actor lives: what the engine gives it, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from flowrunner.core.decision import Ask
from flowrunner.core.model import RunId
from flowrunner.db.apply import Applied
from flowrunner.db.changes import Change
from flowrunner.db.events import EventRow
from flowrunner.db.runs import LoadedRun
from flowrunner.engine.letters import Answer
from flowrunner.engine.views import RunView


class Surroundings(Protocol):
    """What an actor needs of the engine."""

    async def load(self, run_id: RunId) -> LoadedRun | None: ...
    async def read_events(self, run_id: RunId, after: int, limit: int) -> Sequence[EventRow]: ...
    async def ensure(self, view: RunView) -> None: ...
    async def commit(self, change: Change) -> Applied: ...
    async def ask(self, ask: Ask, view: RunView) -> Answer: ...
    def moved(self, change: Change, applied: Applied) -> None: ...
