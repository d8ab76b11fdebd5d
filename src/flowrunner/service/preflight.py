"""What would keep a run from working, asked before it is stored and spends anything (F68)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from flowrunner.core.errors import InvalidInputError, Problem
from flowrunner.db.launch import NewRun, is_key_known
from flowrunner.db.pool import Pool

Question: TypeAlias = Callable[[str, str | None, Path], Awaitable[Sequence[Problem]]]
"""By agent, the model that it is to use instead of its own, and the project."""


class Preflight:
    """Asks the worker of this process; a run whose workers are elsewhere is not looked at."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._question: Question | None = None

    def ask(self, question: Question) -> None:
        """Let *question* be answered before each run from now on."""
        self._question = question

    async def look(self, new: NewRun) -> None:
        """Raise InvalidInputError with every problem at once.

        A launch that is repeated by its key was looked at when it was made: it is not refused.
        """
        if self._question is None:
            return
        context = new.context
        problems = await self._question(context.agent, context.model, Path(context.project_root))
        if not problems:
            return
        if new.idempotency_key is not None:
            async with self._pool.connection() as conn:
                if await is_key_known(conn, context.project_id, new.idempotency_key):
                    return
        raise InvalidInputError("the run could not do its work", problems)
