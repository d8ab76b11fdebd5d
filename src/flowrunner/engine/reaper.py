"""Find what nobody works on any more. Startup reconcile is the first round of this same code (L5).

Every replica looks; the runs' versions and the leases' epochs decide who acts (D2-18, L6).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from uuid import UUID

import structlog

from flowrunner.core import inputs as inp
from flowrunner.core.decision import Verdict
from flowrunner.core.model import RunId
from flowrunner.db.pool import Pool
from flowrunner.db.queue import DeadLease, list_dead
from flowrunner.db.stalls import list_stalled
from flowrunner.engine.brake import Brake
from flowrunner.engine.residents import Residents

log = structlog.stdlib.get_logger()

_PAGE = 500
_NO_RUN = RunId(UUID(int=0))


class Reaper:
    """Dead leases become lost attempts; runs without a next cause get one (P3, P4)."""

    def __init__(
        self,
        pool: Pool,
        residents: Residents,
        *,
        lease_seconds: float,
        grace_seconds: float,
        patience_seconds: float,
        brake: Brake,
    ) -> None:
        self._pool = pool
        self._residents = residents
        self._lease_seconds = lease_seconds
        self._grace_seconds = grace_seconds
        self._patience_seconds = patience_seconds
        self._brake = brake
        self.lost = 0
        self.repaired = 0

    async def look(self) -> None:
        """One round; loads only the runs that need something."""
        await self._reap()
        await self._repair()

    async def _reap(self) -> None:
        while True:
            dead = await self._dead()
            lost = (
                (
                    d.run_id,
                    inp.TaskLost(d.step_no, d.attempt, d.epoch, f"worker {d.worker_id} is gone"),
                )
                for d in dead
            )
            accepted = await _tell_all(self._residents, lost)
            self.lost += accepted
            if dead:
                log.warning("leases.reaped", found=len(dead), lost=accepted)
            if len(dead) < _PAGE or accepted == 0:
                return

    async def _dead(self) -> tuple[DeadLease, ...]:
        async with self._pool.connection() as conn:
            asked_at = self._brake.asked()
            found = await list_dead(
                conn,
                lease_seconds=self._lease_seconds,
                grace_seconds=self._grace_seconds,
                limit=_PAGE,
            )
        return () if self._brake.holds(asked_at, found.at) else found.leases

    async def _repair(self) -> None:
        after = _NO_RUN
        while True:
            async with self._pool.connection() as conn:
                stalled = await list_stalled(
                    conn, patience_seconds=self._patience_seconds, after=after, limit=_PAGE
                )
            told = ((s.run_id, inp.StallFound("nothing would move it", s.missing)) for s in stalled)
            repaired = await _tell_all(self._residents, told)
            self.repaired += repaired
            if repaired:
                log.warning("runs.repaired", found=len(stalled), repaired=repaired)
            if len(stalled) < _PAGE:
                return
            after = stalled[-1].run_id


async def _tell_all(residents: Residents, told: Iterable[tuple[RunId, inp.Input]]) -> int:
    """Tell many runs at once, so that their decisions share commits; count the accepted ones."""
    verdicts = await asyncio.gather(*(residents.try_tell(run_id, given) for run_id, given in told))
    return sum(verdict is Verdict.ACCEPTED for verdict in verdicts)
