"""Fire due timers: retry delays and run deadlines. A timer goes with the decision it causes."""

from __future__ import annotations

import asyncio

from flowrunner.core import inputs as inp
from flowrunner.core.decision import Verdict
from flowrunner.db.pool import Pool
from flowrunner.db.timers import DueTimer, delete_timer, list_due, seconds_to_next
from flowrunner.engine.residents import Residents

_SHORTEST = 0.05
_LONGEST = 5.0
"""Only for timers of a replica that died: who sets one in this process wakes us."""


class Alarms:
    """Looks for due timers; how soon it looks again follows from the next one."""

    def __init__(self, pool: Pool, residents: Residents) -> None:
        self._pool = pool
        self._residents = residents
        self.pause_seconds = _LONGEST

    async def look(self) -> None:
        """Fire what is due. One statement when nothing is: that is nearly always."""
        to_next, all_fired = await self._seconds_to_next(), True
        if to_next <= 0:
            async with self._pool.connection() as conn:
                due = await list_due(conn)
            all_fired = all(await asyncio.gather(*(self._fire(timer) for timer in due)))
            to_next = await self._seconds_to_next()
        # A run that cannot be told keeps its timer, and is no reason to look all the time.
        self.pause_seconds = min(_LONGEST, max(_SHORTEST, to_next)) if all_fired else _LONGEST

    async def _seconds_to_next(self) -> float:
        async with self._pool.connection() as conn:
            found = await seconds_to_next(conn)
        return _LONGEST if found is None else found

    async def _fire(self, timer: DueTimer) -> bool:
        fired = inp.TimerFired(timer.kind, timer.step_no, timer.token)
        verdict = await self._residents.try_tell(timer.run_id, fired)
        if verdict is Verdict.LATE:
            # It means nothing to its run any more: without this it would be due for ever.
            async with self._pool.connection() as conn:
                await delete_timer(conn, timer)
        return verdict is not None
