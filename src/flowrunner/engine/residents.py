"""The runs that live in this process. Any replica may host any run, at any time (P5)."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from itertools import islice

import structlog

from flowrunner.core import events as ev
from flowrunner.core import inputs as inp
from flowrunner.core.decision import Ask, Verdict
from flowrunner.core.errors import (
    MEANINGLESS,
    NotFoundError,
    NotUnderstoodError,
    UnavailableError,
    not_understood,
)
from flowrunner.core.model import Failure, FailureClass, Ref, RunId, StepStatus
from flowrunner.db.apply import Applied
from flowrunner.db.changes import Change
from flowrunner.db.events import EventRow, list_events
from flowrunner.db.pauses import pause_provider
from flowrunner.db.pool import AWAY, Pool
from flowrunner.db.runs import LoadedRun, load_run
from flowrunner.engine.accepting import Acceptance
from flowrunner.engine.actor import Actor
from flowrunner.engine.bodies import Bodies
from flowrunner.engine.calls import Ended
from flowrunner.engine.committer import Committer, OutcomeUnknownError
from flowrunner.engine.evaluation import CodeCall, Evaluator
from flowrunner.engine.judging import waiting
from flowrunner.engine.letters import Answer, Delivered, Letter, Told
from flowrunner.engine.signals import Signals
from flowrunner.engine.views import RunView
from flowrunner.engine.waiting import CallWaiters
from flowrunner.wire.tasks import TaskReport

log = structlog.stdlib.get_logger()


class Residents:
    """Delivers inputs to the actors of runs, and gives actors what they need."""

    name = "residents"

    def __init__(
        self,
        pool: Pool,
        committer: Committer,
        evaluator: Evaluator,
        bodies: Bodies,
        signals: Signals,
        *,
        most_resident: int = 10_000,
    ) -> None:
        self._pool = pool
        self._committer = committer
        self._evaluator = evaluator
        self._acceptance = Acceptance(evaluator, bodies)
        self._bodies = bodies
        self._signals = signals
        self._most = most_resident
        self._actors: OrderedDict[RunId, Actor] = OrderedDict()
        self.waiters = CallWaiters(self.refresh)
        self.loads = 0

    async def run(self, ready: asyncio.Event) -> None:
        """Host actors until cancelled, then stop them: what is in flight is taken up elsewhere."""
        ready.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.waiters.close()
            actors, self._actors = list(self._actors.values()), OrderedDict()
            await asyncio.gather(*(actor.stop() for actor in actors))

    async def tell(self, run_id: RunId, given: inp.Input) -> Verdict:
        """Give the run an input and wait for what became of it.

        Raises NotFoundError for an unknown run and OutcomeUnknownError when the database is away;
        then telling it again is safe.
        """
        return await self.deliver(run_id, Told(Answer(given)))

    async def try_tell(self, run_id: RunId, given: inp.Input) -> Verdict | None:
        """As `tell`, for those who go through many runs: None when this one cannot be told.

        Whatever is wrong with one run does not stop the others (R2-49).
        """
        try:
            return await self.tell(run_id, given)
        except NotFoundError:
            return Verdict.LATE
        except NotUnderstoodError as error:
            log.warning("run.not_understood", run_id=str(run_id), error=str(error))
            return None
        except UnavailableError:
            raise
        except Exception as error:  # noqa: BLE001  # the actor has logged it
            log.warning("run.unreachable", run_id=str(run_id), error=repr(error))
            return None

    async def report(self, run_id: RunId, step: int, attempt: int, report: TaskReport) -> Verdict:
        """Give the run a dispatcher's report; judged by the step's contract.

        A provider that is used up is paused before: whatever is decided, nobody else asks it.
        """
        pause = await self._pause(report)
        view = await self._actor(run_id).look(step, attempt)
        answer = await self._acceptance.answer(view, step, attempt, report)
        return await self.deliver(run_id, Told(waiting(answer, pause)))

    async def _pause(self, report: TaskReport) -> float | None:
        """How long the report's provider answers nobody, by its word or anybody's before."""
        error = report.error
        is_quota = error is not None and error.failure_class == FailureClass.QUOTA
        if report.provider is None or not (is_quota or report.quota_until):
            return None
        reason = "" if error is None else error.message
        try:
            async with self._pool.connection() as conn:
                return await pause_provider(conn, report.provider, report.quota_until, reason)
        except AWAY as gone:
            raise OutcomeUnknownError(str(gone).strip()) from gone

    def nudge(self, run_id: RunId, given: inp.Input) -> None:
        """Give the run an input that nobody waits for."""
        self._actor(run_id).post(Letter(Told(Answer(given))))

    def host(self, run_id: RunId, view: RunView, asks: Sequence[Ask]) -> None:
        """Take up a run that was just launched: its state is known, nothing needs to be read."""
        actor = self._actors.setdefault(run_id, Actor(run_id, self, view))
        actor.resume_asks(asks)
        self._evict()

    async def prepare_code(self, run_id: RunId, step: int, attempt: int) -> CodeCall | Failure:
        """What a code step runs and what it sees, or why it cannot run."""
        view = await self._actor(run_id).look(step, attempt)
        return await self._evaluator.code_call(step, view)

    async def call_end(self, run_id: RunId, step: int, attempt: int, key: str) -> Ended | None:
        """See `CallWaiters.ended`."""
        return await self.waiters.ended(run_id, step, attempt, key)

    async def refresh(self, run_id: RunId) -> RunView:
        """The run as it stands now, whoever moved it."""
        return await self._actor(run_id).refresh()

    async def body(self, ref: Ref) -> bytes:
        return await self._bodies.get(ref)

    async def deliver(self, run_id: RunId, content: Delivered) -> Verdict:
        """Put *content* into the run's mailbox and wait for what became of it."""
        verdict: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._actor(run_id).post(Letter(content, verdict))
        return await verdict

    def _actor(self, run_id: RunId) -> Actor:
        actor = self._actors.get(run_id)
        if actor is None:
            # First room, then the new one: it has no letter yet and would look idle itself.
            self._evict()
            actor = self._actors[run_id] = Actor(run_id, self)
        self._actors.move_to_end(run_id)
        return actor

    def _evict(self) -> None:
        spare = len(self._actors) - self._most
        if spare > 0:
            idle = (run_id for run_id, actor in self._actors.items() if actor.is_idle)
            for run_id in list(islice(idle, spare)):
                del self._actors[run_id]

    # What an actor needs of its surroundings.

    async def load(self, run_id: RunId) -> LoadedRun | None:
        self.loads += 1
        try:
            async with self._pool.connection() as conn:
                return await load_run(conn, run_id)
        except AWAY as error:
            raise OutcomeUnknownError(str(error).strip()) from error
        except MEANINGLESS as error:
            raise not_understood(error, run_id) from error

    async def read_events(self, run_id: RunId, after: int, limit: int) -> Sequence[EventRow]:
        try:
            async with self._pool.connection() as conn:
                return await list_events(conn, run_id, after=after, limit=limit)
        except AWAY as error:
            raise OutcomeUnknownError(str(error).strip()) from error

    async def ensure(self, view: RunView) -> None:
        try:
            await self._evaluator.ensure(view)
        except AWAY as error:
            raise OutcomeUnknownError(str(error).strip()) from error

    async def commit(self, change: Change) -> Applied:
        self._bodies.put(change.payloads)
        return await self._committer.commit(change)

    async def ask(self, ask: Ask, view: RunView) -> Answer:
        answer = await self._evaluator.answer(ask, view)
        self._bodies.put(answer.bodies)
        return answer

    def moved(self, change: Change, applied: Applied) -> None:
        """A decision was committed: say where it is worth looking."""
        after = change.after
        steps = (e.step for e in change.decision.events if isinstance(e, ev.StepEvent))
        touched = set(steps)
        begun = {e.step for e in change.decision.events if isinstance(e, ev.StepDispatched)}
        offered = begun - {task.step_no for task in applied.taken}
        self._signals.tasks(after.spec(number).queue for number in offered)
        if any(_was_withdrawn(change, number) for number in touched):
            self._signals.leases()
        self._signals.events((change.run_id,))
        if change.decision.timers:
            self._signals.timers()
        if after.status.is_terminal:
            self._actors.pop(change.run_id, None)
            log.info("run.ended", run_id=str(change.run_id), status=after.status.value)


def _was_withdrawn(change: Change, number: int) -> bool:
    """Whether somebody may still be working on an attempt that is over."""
    if number >= len(change.before.steps):
        return False
    before, after = change.before.steps[number], change.after.steps[number]
    was_running = before.status is StepStatus.RUNNING
    is_over = after.attempt > before.attempt or after.status is not StepStatus.RUNNING
    has_reported = after.epoch != before.epoch
    return was_running and is_over and not has_reported
