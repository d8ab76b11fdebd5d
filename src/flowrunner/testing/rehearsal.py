"""Run a flow from launch to report with scripted agents, in one call and no time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from flowrunner.core import events as ev
from flowrunner.core import inputs as inp
from flowrunner.core.decision import Ask, Decision
from flowrunner.core.graph import StepKind, StepSpec
from flowrunner.core.model import Failure, RunId, unstarted
from flowrunner.db.changes import TaskContext
from flowrunner.db.payloads import ref_of
from flowrunner.db.queue import ClaimedTask
from flowrunner.db.runs import RunMeta
from flowrunner.definitions.context import Project
from flowrunner.definitions.definition import Definition
from flowrunner.definitions.flow import Flow
from flowrunner.definitions.manifest import plan_launch
from flowrunner.dispatch.capture import Captured
from flowrunner.dispatch.outcome import judge
from flowrunner.dispatch.process import Ended, ProcessLimits
from flowrunner.engine.accepting import Acceptance
from flowrunner.engine.bodies import Bodies
from flowrunner.engine.calls import StepGoneError
from flowrunner.engine.computing import compute
from flowrunner.engine.contexts import started_at
from flowrunner.engine.evaluation import Evaluator
from flowrunner.engine.letters import Answer
from flowrunner.engine.letters import Told as Letter
from flowrunner.engine.pinning import Pinning
from flowrunner.engine.views import RunView
from flowrunner.service.answers import answer_body, fill_form
from flowrunner.testing.defining import definition_of, library_of
from flowrunner.testing.scripts import (
    Agents,
    AgentScript,
    ApprovalScript,
    Approve,
    Fails,
    Reject,
    written,
)
from flowrunner.testing.stage import Stage, nothing_stored
from flowrunner.testing.telling import told_of
from flowrunner.testing.told import Told
from flowrunner.testing.waiting import finished
from flowrunner.wire.tasks import TaskError, TaskReport

RUN = RunId(UUID("01900000-0000-7000-8000-000000000000"))
_USER_CODE_SECONDS = 60.0
_MOST_EVENTS = 200_000
# Only who has no quota for ever is asked so often: then the rehearsal ends, with the run at work.
_MOST_ATTEMPTS = 500
_MOMENT_SECONDS = 0.002


def rehearse(
    flow: Flow | Definition,
    given: Mapping[str, Any] | None = None,
    *,
    agents: Mapping[str, AgentScript] | None = None,
    approvals: Mapping[str, ApprovalScript] | None = None,
    band: str | None = None,
    project: Path | None = None,
    personas: Mapping[str, str] | None = None,
    default: Callable[[StepSpec], object] | None = None,
) -> Told:
    """Launch *flow* with the input *given* and play it to its end.

    *agents* say what each step's agent answers: by the step's key, by that of its parent, by
    persona, or "*"; *default* answers for those that nobody names. *approvals* say what people
    decide; the run stops at one that nobody decides and that does not expire. Guards, prompts, code
    steps and the report are the flow's own and run for real; *project* is the tree that they see.

    Raises InvalidFlowError and InvalidInputError as a launch does, UnscriptedError when an agent is
    asked that has no script.
    """
    definition = flow if isinstance(flow, Definition) else definition_of(flow, personas)
    where = Project(0, "rehearsal", (project or Path.cwd()).resolve())
    plan = plan_launch(definition, given or {}, band, where)
    launched = inp.Launched(
        definition.name, plan.band, definition.hash, tuple(plan.excluded.items())
    )
    body = json.dumps(plan.input_json, ensure_ascii=False, sort_keys=True).encode()
    meta = RunMeta(
        run_id=RUN,
        flow=definition.name,
        band=plan.band,
        context=TaskContext(0, str(where.root), "scripted", None),
        project_name=where.name,
        input_ref=ref_of(body),
        nonce="0" * 16,
        definition_id=0,
        definition_hash=definition.hash,
    )
    play = _Play(definition, meta, body, Agents(agents or {}, default), approvals or {})
    return finished(play.run(launched))


class _Play:
    def __init__(
        self,
        definition: Definition,
        meta: RunMeta,
        body: bytes,
        agents: Agents,
        approvals: Mapping[str, ApprovalScript],
    ) -> None:
        bodies = Bodies(nothing_stored, most_bytes=2**62)
        bodies.put({meta.input_ref: body})
        view = RunView(meta, unstarted(definition.graph), {}, {}, {})
        pinning = Pinning(library_of(definition), _not_stored, "pinned")
        self._definition = definition
        self._stage = stage = Stage(view, bodies)
        began = started_at(view)
        self._evaluator = Evaluator(
            pinning, bodies, _USER_CODE_SECONDS, lambda: began + timedelta(seconds=stage.now)
        )
        self._acceptance = Acceptance(self._evaluator, bodies)
        self._agents = agents
        self._approvals = approvals
        self._prompts: dict[int, list[str]] = {}
        self._code: set[asyncio.Task[None]] = set()

    async def run(self, launched: inp.Launched) -> Told:
        try:
            await self._act(Answer(launched))
            while not self._stage.view.state.status.is_terminal:
                if not await self._move() or len(self._stage.events) > _MOST_EVENTS:
                    break
            return await told_of(self._stage, self._prompts)
        finally:
            for task in self._code:
                task.cancel()
            self._stage.close()

    async def _move(self) -> bool:
        """Let the next thing happen; False when nothing will.

        Time stands still while code computes. It passes while code waits for an answer, once it
        has had a moment to ask for more.
        """
        stage = self._stage
        while stage.letters.empty() and self._code:
            await stage.settled()
            is_computing = stage.parked < len(self._code)
            if not await self._hear(None if is_computing else _MOMENT_SECONDS):
                break
        if not stage.letters.empty():
            content, verdict = stage.letters.get_nowait()
            decision = await self._act(content.read(stage.view))
            if not verdict.done():
                verdict.set_result(decision.verdicts[0])
            return True
        due = stage.next_due()
        if due is not None:
            await self._act(due)
        return due is not None

    async def _hear(self, seconds: float | None) -> bool:
        """Wait for the next word of code at work, or until it waits itself; at most *seconds*.

        Return whether anything came.
        """
        stage = self._stage
        stage.stirred.clear()
        hearing = asyncio.ensure_future(stage.letters.get())
        stirring = asyncio.ensure_future(stage.stirred.wait())
        done, _waiting = await asyncio.wait(
            {hearing, stirring, *self._code}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
        )
        if hearing in done:
            stage.letters.put_nowait(hearing.result())
        hearing.cancel()
        stirring.cancel()
        for task in done & self._code:
            self._code.discard(task)
            task.result()
        return bool(done)

    async def _act(self, answer: Answer) -> Decision:
        """Do what an input means, and answer all that it asks of the flow's own code."""
        decision = self._stage.take([answer])
        waiting = [decision]
        while waiting:
            now = waiting.pop(0)
            await self._begin(now)
            waiting += [self._stage.take([await self._answer(ask)]) for ask in now.asks]
        return decision

    async def _answer(self, ask: Ask) -> Answer:
        answer = await self._evaluator.answer(ask, self._stage.view)
        self._stage.bodies.put(answer.bodies)
        return answer

    async def _begin(self, decision: Decision) -> None:
        for event in decision.events:
            match event:
                case ev.StepDispatched(step=number, attempt=attempt):
                    await self._offer(number, attempt)
                case ev.ApprovalRequested(step=number, attempt=attempt, request=request):
                    asked = json.loads(self._stage.bodies.held(request))
                    self._prompts.setdefault(number, []).append(asked["body"])
                    self._put_to_people(number, attempt)
                case _:
                    pass

    async def _offer(self, number: int, attempt: int) -> None:
        if attempt > _MOST_ATTEMPTS:
            return
        spec, epoch = self._stage.view.state.spec(number), len(self._stage.events)
        if spec.kind is StepKind.CODE:
            code = asyncio.create_task(self._compute(number, attempt, epoch))
            self._code.add(code)
            return
        prompt = self._stage.prompt(number)
        self._prompts.setdefault(number, []).append(prompt)
        parent = None if spec.parent is None else self._stage.view.state.spec(spec.parent).key
        taken = self._agents.answer(spec, parent, prompt)
        report = _report(epoch, taken.answer)
        answer = await self._acceptance.answer(self._stage.view, number, attempt, report)
        self._stage.later(taken.seconds, answer)

    async def _compute(self, number: int, attempt: int, epoch: int) -> None:
        call = await self._evaluator.code_call(number, self._stage.view)
        assert not isinstance(call, Failure)  # noqa: S101  # nothing changes in a rehearsal
        task = _task(self._stage.view, number, attempt, epoch)
        try:
            outcome, bodies = await compute(call, task, self._stage)
        except StepGoneError:
            return
        settled = inp.TaskSettled(number, attempt, epoch, outcome)
        await self._stage.deliver(RUN, Letter(Answer(settled, bodies)))

    def _put_to_people(self, number: int, attempt: int) -> None:
        spec = self._stage.view.state.spec(number)
        script = self._approvals.get(spec.key)
        if script is None:
            return
        several = script if isinstance(script, Sequence) else (script,)
        said = several[min(attempt, len(several)) - 1]
        values = self._values(number, said)
        approved = isinstance(said, Approve)
        body = answer_body(approved=approved, actor=said.actor, comment=said.comment, values=values)
        then = "" if isinstance(said, Approve) else said.then
        given = inp.ApprovalGiven(
            number, attempt, approved, said.actor, ref_of(body), said.comment, then
        )
        self._stage.later(said.seconds, Answer(given, {ref_of(body): body}))

    def _values(self, number: int, said: Approve | Reject) -> dict[str, Any]:
        step = self._evaluator.step_of(self._stage.view, number)
        form = step.approval.form if step is not None and step.approval is not None else None
        if isinstance(said, Reject) or form is None:
            return {}
        return fill_form(form, dict(said.values))


async def _not_stored(_definition_id: int) -> None:
    return None


def _report(epoch: int, answer: object) -> TaskReport:
    if isinstance(answer, Fails):
        error = TaskError(
            code=answer.code, message=answer.message, failure_class=answer.failure_class
        )
        return TaskReport(epoch=epoch, outcome="failed", error=error)
    # As a dispatcher reports a program that said this and ended well (P9).
    output = Captured(written(answer))
    return judge(epoch, Ended(cause="ended", exit_code=0, output=output), ProcessLimits())


def _task(view: RunView, number: int, attempt: int, epoch: int) -> ClaimedTask:
    spec = view.state.spec(number)
    return ClaimedTask(
        task_id=f"{RUN}.{number}.{attempt}",
        run_id=RUN,
        step_no=number,
        attempt=attempt,
        epoch=epoch,
        queue=spec.queue,
        step_key=spec.key,
        kind=spec.kind.value,
        project_root=view.meta.project_root,
        agent="scripted",
        model=None,
        persona=spec.persona,
        mode_id="plan",
        limits=spec.limits,
        input=None,
    )
