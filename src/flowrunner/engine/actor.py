"""One run's actor: drain the mailbox, decide, ask, commit, fold. Nothing else moves a run."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

import structlog

from flowrunner.core.bodies import needed_by
from flowrunner.core.codec import encode
from flowrunner.core.decision import Ask, Decision
from flowrunner.core.errors import FlowRunnerError, NotFoundError
from flowrunner.core.model import Ref, RunId
from flowrunner.core.readiness import outstanding
from flowrunner.core.scheduling import decide_and_fold
from flowrunner.db.apply import Applied
from flowrunner.db.changes import Change
from flowrunner.db.events import EventRow
from flowrunner.engine.committer import OutcomeUnknownError
from flowrunner.engine.letters import (
    Answer,
    Asked,
    Letter,
    Told,
    answer_of,
    asked_by,
    refuse_all,
    still_means,
)
from flowrunner.engine.plans import Plan
from flowrunner.engine.surroundings import Surroundings
from flowrunner.engine.views import RunView

log = structlog.stdlib.get_logger()

# User code that answers within this joins the commit that caused it; slower code does not hold
# up the result it was asked about, and gets a commit of its own.
QUICK_SECONDS = 0.05
# Then a decision is committed and the next one begins: a long chain of skips is no long commit.
MOST_EVENTS = 2000
REFUSED_SECONDS = 0.2
_PAGE = 1000


class Actor:
    """Runs while it has letters; between them it is only a resident state, not a task."""

    def __init__(self, run_id: RunId, around: Surroundings, view: RunView | None = None) -> None:
        self.run_id = run_id
        self._around = around
        self._view = view
        self._mailbox: list[Letter] = []
        self._task: asyncio.Task[None] | None = None
        self._asked: dict[Asked, asyncio.Task[Answer]] = {}

    @property
    def is_idle(self) -> bool:
        return self._task is None and not self._mailbox and not self._asked

    def post(self, letter: Letter) -> None:
        self._mailbox.append(letter)
        self._kick()

    async def look(self, step: int, attempt: int) -> RunView:
        """The run as far as it must be for *attempt* of *step* to exist.

        Another replica may have moved it: then what is resident here is caught up first.
        """
        view = await self._loaded()
        is_there = 0 <= step < len(view.state.steps)
        if not is_there or view.state.steps[step].attempt < attempt:
            await self._catch_up(view)
        return await self._loaded()

    def resume_asks(self, asks: Sequence[Ask]) -> None:
        """Take up what user code still has to answer; the answers come as letters."""
        if self._view is not None:
            self._ask_later(asks, self._view)

    async def refresh(self) -> RunView:
        """The run as it stands now, whoever moved it; costs one read."""
        await self._catch_up(await self._loaded())
        return await self._loaded()

    async def stop(self) -> None:
        """Abandon everything in flight; whoever waits is told that the outcome is unknown."""
        tasks = [*self._asked.values(), *([self._task] if self._task else [])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for letter in self._mailbox:
            letter.refuse(OutcomeUnknownError("the service stopped"))

    def _kick(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name=f"run-{self.run_id}")

    async def _work(self) -> None:
        try:
            while self._mailbox:
                batch, self._mailbox = self._mailbox, []
                try:
                    await self._handle(batch)
                except FlowRunnerError as error:
                    refuse_all(batch, error)
                except Exception as error:
                    # Outermost frame of the actor: the waiters learn it, the next letter is heard.
                    log.exception("actor.failed", run_id=str(self.run_id))
                    self._view = None
                    self._forget(tuple(self._asked))
                    refuse_all(batch, error)
                except asyncio.CancelledError:
                    refuse_all(batch, OutcomeUnknownError("the service stopped"))
                    raise
        finally:
            self._task = None
            if self._mailbox and not asyncio.current_task().cancelling():  # pyright: ignore[reportOptionalMemberAccess]  # we are it
                self._kick()

    async def _handle(self, batch: list[Letter]) -> None:
        view = await self._loaded()
        for letter in batch:
            letter.answer = letter.content.read(view)
        while batch := [letter for letter in batch if not self._is_over(letter, view)]:
            plan = await self._plan(view, [answer_of(letter) for letter in batch])
            if plan.decision.events:
                batch = await self._commit(batch, view, plan)
            elif not (plan.may_be_behind(batch) and await self._catch_up(view)):
                self._settle(batch, plan)
                return
            view = await self._loaded()

    def _is_over(self, letter: Letter, view: RunView) -> bool:
        """Whether it is an answer that was taken, or to what an earlier generation asked."""
        asked = asked_by(letter)
        if asked is None:
            return False
        if asked[0] != view.state.generation:
            self._asked.pop(asked, None)
        return asked not in self._asked

    async def _loaded(self) -> RunView:
        if self._view is not None:
            return self._view
        loaded = await self._around.load(self.run_id)
        if loaded is None:
            raise NotFoundError("no such run", run_id=str(self.run_id))
        view = RunView.of(loaded)
        await self._around.ensure(view)
        if self._view is None:
            self._view = view
            self.resume_asks(tuple(outstanding(loaded.state)))
        return self._view

    async def _plan(self, view: RunView, answers: Sequence[Answer]) -> Plan:
        """Decide, let quick user code answer, decide on: one decision for one commit."""
        bodies: dict[Ref, bytes] = {}
        taken: set[Asked] = set()
        known = set(self._asked)
        decision: Decision | None = None
        while True:
            later, after = decide_and_fold(view.state, [answer.given for answer in answers])
            for answer in answers:
                bodies.update(answer.bodies)
            bodies.update(needed_by(later.events))
            decision = later if decision is None else decision.then(later)
            view = view.moved(after, later.events, bodies)
            if len(decision.events) >= MOST_EVENTS:
                self._ask_later(later.asks, view)
                break
            quick = await self._quick(later.asks, view)
            if not quick:
                break
            taken |= quick.keys()
            answers = tuple(quick.values())
        return Plan(decision, view, bodies, taken, self._asked.keys() - known)

    def _ask_later(self, asks: Sequence[Ask], view: RunView) -> None:
        for ask in asks:
            self._answer_of(ask, view)

    async def _quick(self, asks: Sequence[Ask], view: RunView) -> dict[Asked, Answer]:
        if not asks:
            return {}
        tasks = {(view.state.generation, ask): self._answer_of(ask, view) for ask in asks}
        await asyncio.wait(tasks.values(), timeout=QUICK_SECONDS)
        # What failed for reasons of ours must not take the result along that it was asked about.
        good = ((asked, t) for asked, t in tasks.items() if t.done() and t.exception() is None)
        return {asked: task.result() for asked, task in good}

    def _answer_of(self, ask: Ask, view: RunView) -> asyncio.Task[Answer]:
        """The one task that answers *ask*: asked twice (after a conflict), answered once."""
        asked = (view.state.generation, ask)
        task = self._asked.get(asked)
        if task is None:
            task = asyncio.create_task(self._around.ask(ask, view), name=f"ask-{self.run_id}")
            self._asked[asked] = task
            task.add_done_callback(lambda done: self._answered(asked, done))
        return task

    def _answered(self, asked: Asked, task: asyncio.Task[Answer]) -> None:
        """Post an answer, in case the decision that asked did not wait for it."""
        if task.cancelled() or self._asked.get(asked) is not task:
            return
        error = task.exception()
        if error is not None:
            # The engine's own trouble (the database, say), not the flow's: asked again later.
            log.warning("ask.failed", run_id=str(self.run_id), error=str(error))
            self._asked.pop(asked, None)
            return
        self.post(Letter(Told(task.result(), asked)))

    def _forget(self, asks: Collection[Asked]) -> None:
        """Take back what was asked about a view that did not come to be.

        An answer would speak of results that were refused: of a lost lease's last word, say (P2).
        """
        for task in filter(None, [self._asked.pop(asked, None) for asked in asks]):
            task.cancel()
        self._mailbox = [letter for letter in self._mailbox if asked_by(letter) not in asks]

    def _settle(self, batch: Sequence[Letter], plan: Plan) -> None:
        """Tell the waiters; forget the questions that are answered for good."""
        for asked in plan.taken:
            self._asked.pop(asked, None)
        for letter, verdict in zip(batch, plan.decision.verdicts, strict=False):
            if (asked := asked_by(letter)) is not None:
                self._asked.pop(asked, None)
            letter.resolve(verdict)

    async def _commit(self, batch: list[Letter], view: RunView, plan: Plan) -> list[Letter]:
        """Commit what was planned on *view*; return the letters that have to be decided again.

        The resident view may have moved on meanwhile (see `look`): then this is a conflict.
        """
        after, context = plan.view.state, view.meta.context
        change = Change(self.run_id, view.state, after, plan.decision, context, plan.bodies)
        try:
            applied = await self._outcome(change)
        except BaseException:
            self._forget(plan.begun)
            raise
        if applied.verdict != "ok":
            self._forget(plan.begun)
        match applied.verdict:
            case "ok":
                self._view = view.committed(after, plan.decision.events)
                self._settle(batch, plan)
                self._around.moved(change, applied)
                return []
            case "conflict":
                await self._catch_up(view)
                return batch
            case "stale":
                return [letter for letter in batch if still_means(letter, applied)]

    async def _outcome(self, change: Change) -> Applied:
        """Commit; when the answer is lost, read back what became of it (never do it twice)."""
        try:
            return await self._around.commit(change)
        except OutcomeUnknownError:
            mine = [encode(event) for event in change.decision.events]
            rows = await self._read_back(change.before.version, len(mine))
            theirs = [(row.type, row.step_no, row.body) for row in rows]
            log.info("commit.resolved", run_id=str(self.run_id), committed=theirs == mine)
            if not rows:
                # Nobody moved the run: whatever refused this commit may refuse the next one too.
                await asyncio.sleep(REFUSED_SECONDS)
            return Applied("ok") if theirs == mine else Applied("conflict")

    async def _read_back(self, after: int, limit: int) -> Sequence[EventRow]:
        delay = 0.05
        while True:
            try:
                return await self._around.read_events(self.run_id, after, limit)
            except OutcomeUnknownError:
                await asyncio.sleep(delay)
                delay = min(2.0, delay * 2)

    async def _catch_up(self, view: RunView) -> bool:
        """Somebody else may have moved the run: read what happened since, and no more than that.

        Returns whether anything did.
        """
        before = view.state.version
        while True:
            rows = await self._read_back(view.state.version, _PAGE)
            moved = view.caught_up(rows)
            if moved is None:
                self._view = None
                return (await self._loaded()).state.version > before
            view = moved
            if len(rows) < _PAGE:
                break
        # Two may catch up at once, or one while the other commits: the newest view stays.
        if self._view is None or self._view.state.version < view.state.version:
            self._view = view
        return view.state.version > before
