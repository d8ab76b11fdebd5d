"""Who waits for the end of a call: one watcher per run, however many calls are waited for."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import structlog

from flowrunner.core.model import RunId, StepStatus
from flowrunner.engine.calls import Ended
from flowrunner.engine.views import RunView

log = structlog.stdlib.get_logger()

POLL_SECONDS = 2.0
"""How soon an end is found that no notification told of."""

Refresh: TypeAlias = Callable[[RunId], Awaitable[RunView]]
_Attempt: TypeAlias = tuple[int, int]
_Waiting: TypeAlias = dict[str, list[asyncio.Future[Ended | None]]]


def _nobody() -> defaultdict[_Attempt, _Waiting]:
    return defaultdict(dict)


@dataclass(slots=True)
class _Watch:
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    wanted: defaultdict[_Attempt, _Waiting] = field(default_factory=_nobody)
    task: asyncio.Task[None] | None = None


class CallWaiters:
    """Hints tell that a run moved; its events tell what became of a call (E1)."""

    def __init__(self, refresh: Refresh, *, poll_seconds: float = POLL_SECONDS) -> None:
        self._refresh = refresh
        self._poll_seconds = poll_seconds
        self._watches: dict[RunId, _Watch] = {}

    async def ended(self, run_id: RunId, step: int, attempt: int, key: str) -> Ended | None:
        """Wait for the call's end, on whatever replica; None when the attempt ends before it."""
        future: asyncio.Future[Ended | None] = asyncio.get_running_loop().create_future()
        watch = self._watches.setdefault(run_id, _Watch())
        watch.wanted[step, attempt].setdefault(key, []).append(future)
        watch.wake.set()
        if watch.task is None:
            watch.task = asyncio.create_task(self._watch(run_id, watch), name=f"calls-{run_id}")
        return await future

    def heard(self, runs: frozenset[RunId]) -> None:
        """Runs have new events, committed here or elsewhere; none named: any may have."""
        for run_id in runs & self._watches.keys() if runs else tuple(self._watches):
            self._watches[run_id].wake.set()

    def close(self) -> None:
        """Stop watching; whoever waits is let go as if its attempt were over: it is, here."""
        for watch in self._watches.values():
            if watch.task is not None:
                watch.task.cancel()
            for waiting in watch.wanted.values():
                for future in (f for futures in waiting.values() for f in futures if not f.done()):
                    future.set_result(None)

    async def _watch(self, run_id: RunId, watch: _Watch) -> None:
        while watch.wanted:
            watch.wake.clear()
            try:
                _settle(watch, await self._refresh(run_id))
            except Exception as error:  # noqa: BLE001  # whatever it is: who waits must not wait for ever
                log.warning("calls.unread", run_id=str(run_id), error=repr(error))
            if watch.wanted:
                await self._pause(watch)
        del self._watches[run_id]

    async def _pause(self, watch: _Watch) -> None:
        try:
            async with asyncio.timeout(self._poll_seconds):
                await watch.wake.wait()
        except TimeoutError:
            pass


def _settle(watch: _Watch, view: RunView) -> None:
    for (step, attempt), waiting in list(watch.wanted.items()):
        parent = view.state.steps[step]
        is_over = parent.attempt != attempt or parent.status is not StepStatus.RUNNING
        numbers = dict(parent.family.calls) if parent.family is not None else {}
        for key, futures in list(waiting.items()):
            ended = _end_of(view, numbers.get(key))
            if ended is None and not is_over and not all(f.done() for f in futures):
                continue
            del waiting[key]
            for future in futures:
                if not future.done():
                    future.set_result(None if is_over else ended)
        if not waiting:
            del watch.wanted[step, attempt]


def _end_of(view: RunView, child: int | None) -> Ended | None:
    if child is None or not view.state.steps[child].status.is_terminal:
        return None
    return Ended(view.state.steps[child].status, view.output(child), view.error(child))
