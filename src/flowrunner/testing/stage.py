"""A run without a database: what the engine keeps in PostgreSQL lies in this object."""

from __future__ import annotations

import asyncio
import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from flowrunner.core import events as ev
from flowrunner.core import inputs as inp
from flowrunner.core.bodies import needed_by
from flowrunner.core.decision import Decision, Verdict
from flowrunner.core.folding import fold
from flowrunner.core.model import Ref, RunId
from flowrunner.core.scheduling import decide
from flowrunner.engine.bodies import Bodies
from flowrunner.engine.calls import Ended
from flowrunner.engine.letters import Answer, Delivered
from flowrunner.engine.views import RunView
from flowrunner.engine.waiting import CallWaiters

_TURNS = 1000
_Due: TypeAlias = tuple[float, int, Answer]
_Letter: TypeAlias = tuple[Delivered, "asyncio.Future[Verdict]"]


@dataclass(slots=True)
class Stage:
    """Decides, folds and keeps time; serves code steps as the engine would (`calls.Runs`)."""

    view: RunView
    bodies: Bodies
    now: float = 0.0
    events: list[ev.Event] = field(default_factory=list[ev.Event])
    letters: asyncio.Queue[_Letter] = field(default_factory=asyncio.Queue[_Letter])
    stirred: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a code step begins to wait for an answer."""
    _due: list[_Due] = field(default_factory=list[_Due])
    _order: int = 0
    _parked: Counter[int] = field(default_factory=Counter[int])
    _seen: int = 0
    """How many events those who wait for a call have looked at."""
    _waiters: CallWaiters = field(init=False)

    def __post_init__(self) -> None:
        self._waiters = CallWaiters(self._refreshed)

    def take(self, answers: Sequence[Answer]) -> Decision:
        """Decide what *answers* mean and do it."""
        for answer in answers:
            self.bodies.put(answer.bodies)
        decision = decide(self.view.state, [answer.given for answer in answers])
        self.bodies.put(needed_by(decision.events))
        after = fold(self.view.state, decision.events)
        self.view = self.view.committed(after, decision.events)
        self.events += decision.events
        for timer in decision.timers:
            fired = inp.TimerFired(timer.kind, timer.step, timer.token)
            self.later(timer.delay_seconds, Answer(fired))
        self._waiters.heard(frozenset({self.view.meta.run_id}))
        return decision

    def later(self, seconds: float, answer: Answer) -> None:
        """Let *answer* arrive after *seconds* of the run's clock."""
        self._order += 1
        heapq.heappush(self._due, (self.now + seconds, self._order, answer))

    def next_due(self) -> Answer | None:
        """Let time pass until the next thing happens; None when nothing will."""
        if not self._due:
            return None
        at, _order, answer = heapq.heappop(self._due)
        self.now = max(self.now, at)
        return answer

    @property
    def parked(self) -> int:
        """How many code steps wait for a call's answer."""
        return sum(1 for count in self._parked.values() if count > 0)

    def prompt(self, number: int) -> str:
        ref = self.view.state.steps[number].prompt
        assert ref is not None  # noqa: S101  # an agent's task has one
        return self.bodies.held(ref).decode()

    def close(self) -> None:
        self._waiters.close()

    async def settled(self) -> None:
        """Let go on who waits for a call that has its answer: *parked* counts the others then.

        Counted by turns of the loop, not by time: a machine that is busy changes nothing.
        """
        for _ in range(_TURNS):
            if self._seen == len(self.events) or not self.parked:
                break
            await asyncio.sleep(0)
        for _ in range(2):
            # A future that is set resumes who awaits it in the next turn.
            await asyncio.sleep(0)

    async def _refreshed(self, _run_id: RunId) -> RunView:
        self._seen = len(self.events)
        return self.view

    # What a code step's calls need.

    async def deliver(self, run_id: RunId, content: Delivered) -> Verdict:  # noqa: ARG002  # there is one run
        verdict: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self.letters.put_nowait((content, verdict))
        return await verdict

    async def call_end(self, run_id: RunId, step: int, attempt: int, key: str) -> Ended | None:
        self._parked[step] += 1
        self.stirred.set()
        try:
            return await self._waiters.ended(run_id, step, attempt, key)
        finally:
            self._parked[step] -= 1

    async def body(self, ref: Ref) -> bytes:
        return await self.bodies.get(ref)


async def nothing_stored(_refs: Sequence[Ref]) -> Mapping[Ref, bytes]:
    """What is not held does not exist."""
    return {}
