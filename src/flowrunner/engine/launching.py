"""Launch a run: gates first, then one statement, then its actor takes over with nothing to read."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from flowrunner.core import events as ev
from flowrunner.core import inputs as inp
from flowrunner.core.decision import Ask, Decision
from flowrunner.core.graph import Graph
from flowrunner.core.model import Failure, Ref, unstarted
from flowrunner.core.readiness import outstanding
from flowrunner.core.scheduling import decide_and_fold
from flowrunner.db.launch import LaunchVerdict, NewRun, launch
from flowrunner.db.pool import Pool
from flowrunner.db.queue import ClaimedTask
from flowrunner.db.runs import RunMeta
from flowrunner.db.taking import Take
from flowrunner.engine.actor import QUICK_SECONDS
from flowrunner.engine.bodies import Bodies
from flowrunner.engine.evaluation import Evaluator
from flowrunner.engine.letters import Answer
from flowrunner.engine.residents import Residents
from flowrunner.engine.signals import Signals
from flowrunner.engine.views import RunView
from flowrunner.leases.places import Seating


@dataclass(frozen=True, slots=True)
class Beginning:
    """A run that is about to exist, and the body of its input."""

    new: NewRun
    meta: RunMeta
    graph: Graph
    launched: inp.Launched
    input_body: bytes


class Launcher:
    """Writes a run with its first tasks in one round trip and one commit."""

    def __init__(
        self,
        pool: Pool,
        evaluator: Evaluator,
        bodies: Bodies,
        residents: Residents,
        signals: Signals,
        *,
        seating: Seating[ClaimedTask] | None = None,
    ) -> None:
        self._pool = pool
        self._seating = seating or Seating()
        self._evaluator = evaluator
        self._bodies = bodies
        self._residents = residents
        self._signals = signals

    async def launch(self, begun: Beginning) -> LaunchVerdict:
        """Write the run and host it. With an idempotency key it may be repeated.

        First prompts that are built quickly are part of the launch; others, and every failure of
        user code, follow as decisions of their own (D2-05, D2-35).
        """
        self._bodies.put({begun.meta.input_ref: begun.input_body})
        decision, after = decide_and_fold(unstarted(begun.graph), (begun.launched,))
        view = RunView(begun.meta, unstarted(begun.graph), {}, {}, {})
        view = view.committed(after, decision.events)
        answers = await self._quick(decision.asks, view)
        later, after = decide_and_fold(view.state, [answer.given for answer in answers])
        decision = decision.then(later)
        view = view.committed(after, later.events)
        bodies: dict[Ref, bytes] = {begun.meta.input_ref: begun.input_body}
        for answer in answers:
            bodies.update(answer.bodies)
        with self._seating.reserve() as places:
            verdict = await self._write(begun, view, decision, bodies, places.take)
            if not verdict.replayed:
                self._bodies.put(bodies)
                self._tell(begun, view, decision, verdict)
            places.fill(verdict.taken)
        return verdict

    async def _write(
        self,
        begun: Beginning,
        view: RunView,
        decision: Decision,
        bodies: dict[Ref, bytes],
        take: Take,
    ) -> LaunchVerdict:
        notify = self._signals.mode
        async with self._pool.connection() as conn:
            return await launch(
                conn, begun.new, view.state, decision, bodies=bodies, notify=notify, take=take
            )

    def _tell(
        self, begun: Beginning, view: RunView, decision: Decision, verdict: LaunchVerdict
    ) -> None:
        self._residents.host(begun.new.run_id, view, tuple(outstanding(view.state)))
        running = {e.step for e in decision.events if isinstance(e, ev.StepDispatched)}
        offered = running - {task.step_no for task in verdict.taken}
        self._signals.tasks({view.state.spec(number).queue for number in offered})
        if decision.events:
            self._signals.events((begun.new.run_id,))
        if decision.timers:
            self._signals.timers()

    async def _quick(self, asks: Sequence[Ask], view: RunView) -> list[Answer]:
        tasks = [asyncio.ensure_future(self._evaluator.answer(ask, view)) for ask in asks]
        if not tasks:
            return []
        _done, slow = await asyncio.wait(tasks, timeout=QUICK_SECONDS)
        for task in slow:
            task.cancel()
        answers = [task.result() for task in tasks if task not in slow and not task.exception()]
        return [answer for answer in answers if _may_join(answer.given)]


def _may_join(given: inp.Input) -> bool:
    """Only dispatches and skips are part of a launch; it writes no failures and no reports."""
    match given:
        case inp.PromptBuilt(answer=answer) | inp.GuardEvaluated(answer=answer):
            return not isinstance(answer, Failure)
        case _:
            return False
