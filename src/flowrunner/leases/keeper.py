"""Keep what this process holds: renew it, notice what is lost, and let go before it can end.

Whoever claims through a keeper calls `settle` once per lease when its work has stopped, for
whatever reason: until then a lost lease is not handed to anybody else by us.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Collection, Generator, Sequence
from contextlib import contextmanager
from typing import Generic, TypeVar
from uuid import UUID, uuid4

import structlog

from flowrunner.core.errors import UnavailableError
from flowrunner.leases import rules
from flowrunner.leases.ports import Clock, Leased, LeasePort, LossReason, OnLost, OnPaused
from flowrunner.leases.rules import Hold, LeaseTimes

log = structlog.stdlib.get_logger()

T = TypeVar("T", bound=Leased)
R = TypeVar("R")


def steady() -> float:
    """Seconds that never jump back and that go on while the machine is suspended."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class LeaseKeeper(Generic[T]):
    """One worker row and its leases; claims and renewals never overlap."""

    name = "leases"

    def __init__(
        self,
        port: LeasePort[T],
        times: LeaseTimes,
        on_lost: OnLost,
        *,
        on_paused: OnPaused | None = None,
        clock: Clock = steady,
    ) -> None:
        rules.check_times(times)
        self._port = port
        self._times = times
        self._on_lost = on_lost
        self._on_paused = on_paused
        self._clock = clock
        self._hold = Hold()
        self._worker_id: UUID | None = None
        self._closed = False
        self._lock = asyncio.Lock()
        self._poked = asyncio.Event()
        self._taking = 0
        self._must_sweep = False

    @property
    def worker_id(self) -> UUID | None:
        """Who we are to the database; it changes when our row was lost."""
        return self._worker_id

    @property
    def is_open(self) -> bool:
        """Whether our leases count now. False before the first renewal and while fenced."""
        return self._worker_id is not None and rules.is_open(self._hold, self._clock(), self._times)

    @property
    def held(self) -> frozenset[int]:
        return self._hold.held

    async def run(self, ready: asyncio.Event) -> None:
        """Renew until cancelled; *ready* is set after the first success. Hands nothing back."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._renew_for_ever(ready), name="leases.renew")
            group.create_task(self._watch_for_ever(), name="leases.watch")

    def poke(self) -> None:
        """Renew at once: something may have been taken from us, such as by a cancel."""
        self._poked.set()

    def check(self) -> None:
        """Fence ourselves off if it is time; cheap, and harmless at any moment."""
        self._hold, lost = rules.fence(self._hold, self._clock(), self._times)
        self._tell(lost, "self_fenced")

    async def claim(self, count: int) -> Sequence[T]:
        """Claim up to *count*; nothing while fenced. Raise UnavailableError."""
        async with self._lock:
            worker_id = self._worker_id
            if count < 1 or worker_id is None or self._closed or not self.is_open:
                return ()
            with self._doubting():
                tasks = await self._call(self._port.claim(worker_id, count))
            if not self.is_open:
                self._doubt()
                return ()
            self._hold = rules.claimed(self._hold, (task.epoch for task in tasks))
            return tasks

    def begin_take(self) -> UUID | None:
        """Who a commit may give one task to; None while we may hold none, or look for lost ones.

        Unlike a claim this may overlap a renewal; `end_take` or `lose_take` has to follow.
        """
        if self._closed or self._must_sweep or self._lock.locked() or not self.is_open:
            return None
        self._taking += 1
        return self._worker_id

    def end_take(self, epochs: Collection[int], count: int) -> bool:
        """*count* takes were answered with *epochs*: whether they may be worked on."""
        self._took(count)
        if not epochs:
            return False
        if self._closed or not self.is_open:
            self._doubt()
            return False
        self._hold = rules.claimed(self._hold, epochs)
        return True

    def lose_take(self, count: int) -> None:
        """Nobody knows what became of *count* takes: what they hold for us is handed back."""
        self._took(count)
        self._doubt()

    def settle(self, *epochs: int) -> None:
        """Forget leases whose work has ended and stopped."""
        self._hold = rules.settled(self._hold, epochs, self._clock(), self._times)

    def delivering(self, *epochs: int) -> None:
        """Their work has ended and is being told: no renewal asks about them any more."""
        self._hold = rules.delivering(self._hold, epochs)

    def retire(self, *epochs: int) -> None:
        """Keep leases whose result lies in an inbox until it is read: a renewal will say so."""
        self._hold = rules.retired(self._hold, epochs)

    async def release(self, epochs: Collection[int]) -> None:
        """Hand back leases whose work has stopped. Raise UnavailableError; healed later."""
        async with self._lock:
            await self._release(frozenset(epochs))

    async def close(self) -> None:
        """Hand everything back and leave. Without it the leases run out and count as crashes.

        Results that nobody has read yet are waited for, for as long as whoever calls has patience.
        """
        self._closed = True
        async with self._lock:
            await self._release(self._hold.held)
        while self._worker_id is not None and self._hold.retired:
            await self.renew()
            await asyncio.sleep(self._times.retry_seconds if self._hold.retired else 0)
        async with self._lock:
            if self._worker_id is not None:
                await self._call(self._port.deregister(self._worker_id))
                self._worker_id = None

    async def renew(self) -> None:
        """Renew once, registering first if nobody knows us. Raise UnavailableError."""
        async with self._lock:
            self._poked.clear()
            worker_id = await self._known()
            if worker_id is None:
                return
            sent_at, asked = self._clock(), sorted(rules.asked(self._hold))
            lease_seconds = self._times.lease_seconds
            renewal = await self._call(self._port.renew(worker_id, lease_seconds, asked))
            if self._on_paused is not None:
                self._on_paused(renewal.paused)
            if not renewal.known:
                self._disown()
                return
            self._hold, lost = rules.renewed(self._hold, sent_at, renewal.lost)
            self._tell(lost, "lost")
            await self._release_unknown(worker_id)

    async def _renew_for_ever(self, ready: asyncio.Event) -> None:
        while True:
            try:
                await self.renew()
            except UnavailableError as exc:
                log.warning("lease.unrenewed", error=str(exc))
                await self._poked_within(self._times.retry_seconds)
                continue
            if self.is_open:
                ready.set()
            times = self._times
            await self._poked_within(times.renew_seconds if self.is_open else times.retry_seconds)

    async def _watch_for_ever(self) -> None:
        while True:
            self.check()
            await asyncio.sleep(self._times.watch_seconds)

    async def _poked_within(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._poked.wait()
        except TimeoutError:
            pass

    async def _known(self) -> UUID | None:
        if self._worker_id is None and not self._closed:
            # An attempt of unknown outcome leaves a row that nobody renews: it runs out.
            worker_id = uuid4()
            await self._call(self._port.register(worker_id))
            self._worker_id = worker_id
            log.info("worker.registered", worker_id=str(worker_id))
        return self._worker_id

    def _disown(self) -> None:
        log.warning("worker.disowned", worker_id=str(self._worker_id))
        self._worker_id = None
        self._hold, lost = rules.disowned(self._hold)
        self._tell(lost, "unknown_worker")

    async def _release(self, epochs: frozenset[int]) -> None:
        if self._worker_id is None or not epochs:
            return
        self.settle(*epochs)
        with self._doubting():
            await self._call(self._port.release(self._worker_id, sorted(epochs)))

    async def _release_unknown(self, worker_id: UUID) -> None:
        # What a commit in flight takes for us is not known yet, and must not be handed back.
        self._must_sweep = rules.must_sweep(self._hold, self._clock(), self._times)
        if not self._must_sweep or self._taking:
            return
        sent_at, keep = self._clock(), sorted(rules.kept(self._hold))
        count = await self._call(self._port.release_unknown(worker_id, keep))
        self._hold = rules.released(self._hold, sent_at)
        self._must_sweep = False
        if count:
            log.warning("lease.returned", leases=count)

    async def _call(self, call: Awaitable[R]) -> R:
        try:
            async with asyncio.timeout(self._times.call_seconds):
                return await call
        except TimeoutError as exc:
            msg = f"no answer within {self._times.call_seconds} s"
            raise UnavailableError(msg) from exc

    def _took(self, count: int) -> None:
        self._taking -= count
        if self._must_sweep and not self._taking:
            self.poke()

    @contextmanager
    def _doubting(self) -> Generator[None]:
        try:
            yield
        except BaseException:
            self._doubt()
            raise

    def _doubt(self) -> None:
        self._hold = rules.doubted(self._hold, self._clock(), self._times)
        self.poke()

    def _tell(self, lost: frozenset[int], reason: LossReason) -> None:
        if lost:
            log.warning("lease.lost", leases=sorted(lost), reason=reason)
            self._on_lost(lost, reason)
