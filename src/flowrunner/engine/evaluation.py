"""Ask a flow's own code: its guards, prompts and reports. What goes wrong there is an answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

import structlog
from pydantic_core import to_jsonable_python

from flowrunner.core import inputs as inp
from flowrunner.core.decision import Ask, Gather, Judge, Prepare, Render
from flowrunner.core.errors import UnavailableError
from flowrunner.core.graph import StepKind, StepSpec
from flowrunner.core.model import Failure, StepStatus
from flowrunner.db.payloads import ref_of
from flowrunner.db.pool import AWAY
from flowrunner.definitions.context import Context
from flowrunner.definitions.durations import wake_time
from flowrunner.definitions.flow import Step
from flowrunner.definitions.library import Definition
from flowrunner.engine import threads
from flowrunner.engine.bodies import Bodies
from flowrunner.engine.contexts import Contexts
from flowrunner.engine.letters import Answer
from flowrunner.engine.members import list_members
from flowrunner.engine.pinning import CHANGED, Pinning
from flowrunner.engine.prompting import UnresolvedError, prompt_of, text_of
from flowrunner.engine.questions import request_of
from flowrunner.engine.raising import raised
from flowrunner.engine.reporting import report_body
from flowrunner.engine.results import Results
from flowrunner.engine.views import RunView
from flowrunner.wire.tasks import storable

log = structlog.stdlib.get_logger()

T = TypeVar("T")

USER_CODE_SECONDS = 10.0


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class CodeCall:
    """A code step as its author wrote it, with what it sees."""

    step: Step
    context: Context
    definition: Definition


class Evaluator:
    """Answers what the core asks. Runs outside any transaction, with a time limit (D2-05)."""

    def __init__(
        self,
        pinning: Pinning,
        bodies: Bodies,
        seconds: float = USER_CODE_SECONDS,
        now: Callable[[], datetime] = _now,
    ) -> None:
        """*now* is the clock that reports are dated by; nothing is decided by it."""
        self._pinning = pinning
        self._contexts = Contexts(bodies, now)
        self._bodies = bodies
        self._seconds = seconds

    @property
    def seconds(self) -> float:
        """How long an author's function may take."""
        return self._seconds

    async def answer(self, ask: Ask, view: RunView) -> Answer:
        """Return the input that answers *ask*. Raises only while the database is away.

        Whatever else goes wrong will go wrong again: it is an answer, or the run would stand still.
        """
        await self._pinning.ensure(view.meta, view.state.graph)
        definition = self.definition(view)
        if isinstance(definition, Failure):
            if isinstance(ask, Render) and ask.actor:
                return Answer(_failed(ask, definition))  # the run has ended: nothing to pause
            return Answer(inp.PauseRequested(f"{definition.code}: {definition.message}", "engine"))
        try:
            return await self._answer(ask, view, definition)
        except (*AWAY, UnavailableError):
            raise
        except Exception as error:
            log.exception("ask.unanswerable", run_id=str(view.meta.run_id))
            failure = Failure("internal_error", f"what it depends on raised {raised(error)}")
            return Answer(_failed(ask, failure))

    async def ensure(self, view: RunView) -> None:
        """Settle which definition the run uses; `definition` and `step_of` then know it."""
        await self._pinning.ensure(view.meta, view.state.graph)

    def definition(self, view: RunView) -> Definition | Failure:
        """The flow this run is pinned to, or why it cannot be used (R2-14, D2-21)."""
        return self._pinning.definition(view.meta)

    def step_of(self, view: RunView, number: int) -> Step | None:
        """The step as its author wrote it; None for a call, or without a definition at hand."""
        found = self.definition(view)
        spec = view.state.spec(number)
        if isinstance(found, Failure) or (spec.parent is not None and spec.item is None):
            return None
        return found.flow.steps[number if spec.parent is None else spec.parent]

    async def code_call(self, number: int, view: RunView) -> CodeCall | Failure:
        """What the functions of a step are and see, or why they cannot be had."""
        await self.ensure(view)
        definition = self.definition(view)
        if isinstance(definition, Failure):
            return definition
        context = await self._contexts.of_step(view, definition, number)
        return CodeCall(_written(definition, view, number), context, definition)

    async def _answer(self, ask: Ask, view: RunView, definition: Definition) -> Answer:
        match ask:
            case Prepare(step=number):
                return await self._prepare(number, view, definition)
            case Gather(step=number):
                return await self._gather(number, view, definition)
            case Judge(step=number, iteration=iteration):
                return await self._judge(number, iteration, view, definition)
            case Render():
                return await self._render(ask, view, definition)

    async def _prepare(self, number: int, view: RunView, definition: Definition) -> Answer:
        spec, step = view.state.spec(number), _written(definition, view, number)
        context = await self._contexts.of_step(view, definition, number)
        what = f"{view.meta.flow}/{spec.key}"
        if spec.has_when and step.when is not None:
            when = step.when
            passed = await self._call(f"when of {what}", lambda: bool(when(context)))
            if passed is not True:
                return Answer(inp.GuardEvaluated(number, passed))
        if spec.each is not None:
            return await self._expand(number, what, step, context)
        if spec.repeat is not None or spec.kind is StepKind.CODE:
            return Answer(inp.GuardEvaluated(number, answer=True))
        if spec.kind is StepKind.WAIT:
            seconds = await self._call(f"wait of {what}", lambda: _seconds(step, context))
            failed = isinstance(seconds, Failure)
            return Answer(
                inp.PromptBuilt(number, seconds) if failed else inp.WaitSet(number, seconds)
            )
        if spec.kind is StepKind.APPROVAL:
            return await self._ask_people(number, spec, step, context, view)
        text = await self._call(f"prompt of {what}", lambda: prompt_of(step, context, definition))
        if isinstance(text, Failure):
            return Answer(inp.PromptBuilt(number, text))
        body = storable(text).encode()
        ref = ref_of(body)
        return Answer(inp.PromptBuilt(number, ref), {ref: body})

    async def _expand(self, number: int, what: str, step: Step, context: Context) -> Answer:
        assert step.each is not None  # noqa: S101  # its specification says so
        each = step.each
        found = await self._call(f"list of {what}", lambda: list_members(each, context))
        if isinstance(found, Failure):
            return Answer(inp.PromptBuilt(number, found))
        keys, body = found
        ref = ref_of(body)
        return Answer(inp.Expanded(number, keys, ref), {ref: body})

    async def _ask_people(
        self, number: int, spec: StepSpec, step: Step, context: Context, view: RunView
    ) -> Answer:
        what = f"question of {view.meta.flow}/{spec.key}"
        text = await self._call(what, lambda: text_of(step, context))
        if isinstance(text, Failure):
            return Answer(inp.PromptBuilt(number, text))
        body, digest = request_of(step, number, text, view)
        ref = ref_of(body)
        return Answer(inp.ApprovalBuilt(number, ref, digest), {ref: body})

    async def _gather(self, number: int, view: RunView, definition: Definition) -> Answer:
        """One list of what the children said; a child that failed is missing here, not empty."""
        state = view.state
        family = state.steps[number].family
        numbers = range(family.first, family.first + family.size) if family else range(0)
        said = [n for n in numbers if state.steps[n].status is StepStatus.COMPLETED]
        bodies = await self._bodies.get_all(
            ref for n in said if (ref := view.output(n)) is not None and ref not in view.fresh
        )
        view = replace(view, fresh={**bodies, **view.fresh})
        context = await self._contexts.of_step(view, definition, None)
        results = context.results
        assert isinstance(results, Results)  # noqa: S101  # made by `Contexts`
        what = f"results of {view.meta.flow}/{state.spec(number).key}"
        body = await self._call(what, lambda: _listed([results.of(n) for n in said]))
        if isinstance(body, Failure):
            return Answer(inp.Gathered(number, body))
        ref = ref_of(body)
        return Answer(inp.Gathered(number, ref), {ref: body})

    async def _judge(
        self, number: int, iteration: int, view: RunView, definition: Definition
    ) -> Answer:
        family = view.state.steps[number].family
        child = dict(family.calls)[str(iteration)] if family is not None else number
        context = await self._contexts.of_iteration(view, definition, number, iteration)
        step = _written(definition, view, number)
        assert step.repeat is not None  # noqa: S101  # its specification says so
        until = cast("Callable[[Context], bool]", step.repeat.until)
        what = f"until of {view.meta.flow}/{view.state.spec(number).key}"
        done = await self._call(what, lambda: bool(until(context)))
        return Answer(inp.LoopJudged(number, iteration, done, view.output(child)))

    async def _render(self, ask: Render, view: RunView, definition: Definition) -> Answer:
        context = await self._contexts.of_report(view, definition, partial=ask.partial)
        what = f"report of {view.meta.flow}"
        body = await self._call(what, lambda: report_body(definition.flow.render(context)))
        if isinstance(body, Failure):
            return Answer(inp.ReportRendered(body, actor=ask.actor))
        text, outcome = body
        ref = ref_of(text)
        return Answer(inp.ReportRendered(ref, outcome, ask.actor), {ref: text})

    async def _call(self, what: str, function: Callable[[], T]) -> T | Failure:
        try:
            return await threads.call(what, function, self._seconds)
        except threads.HangsError as error:
            return Failure("definition_error", f"the {error}")
        except UnresolvedError as error:
            return Failure("unresolved_reference", str(error))
        except UnavailableError:
            # It could not read what it asked for: that is nobody's failure.
            raise
        except Exception as error:  # noqa: BLE001  # whatever user code raises is its step's failure
            return Failure("definition_error", f"the {what} raised {raised(error)}")


def is_drift(failure: Failure) -> bool:
    """Whether this is no failure of a step, but of the run's definition: the run is paused."""
    return failure.code == CHANGED


def _failed(ask: Ask, failure: Failure) -> inp.Input:
    match ask:
        case Prepare(step=number):
            return inp.PromptBuilt(number, failure)
        case Gather(step=number):
            return inp.Gathered(number, failure)
        case Judge(step=number, iteration=iteration):
            return inp.LoopJudged(number, iteration, failure)
        case Render(actor=actor):
            return inp.ReportRendered(failure, actor=actor)


def _written(definition: Definition, view: RunView, number: int) -> Step:
    parent = view.state.spec(number).parent
    return definition.flow.steps[number if parent is None else parent]


def _listed(values: list[object]) -> bytes:
    plain: list[Any] = [to_jsonable_python(value) for value in values]
    return json.dumps(plain, ensure_ascii=False, allow_nan=False).encode()


def _seconds(step: Step, context: Context) -> float:
    """How long to wait from now on; a moment that is over is no wait."""
    given: object = step.run
    if callable(step.run):
        given = threads.finished(step.run(context))
    now = _now()
    until = wake_time(given, now)
    if until is None:
        raise ValueError(f"{given!r:.80} is neither a span of time nor a moment in a time zone")
    return max(0.0, (until - now).total_seconds())
