"""Ask a flow's own code: its guards, prompts and reports. What goes wrong there is an answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import structlog
from pydantic import BaseModel

from flowrunner.core import inputs as inp
from flowrunner.core.decision import Ask, Prepare, Render
from flowrunner.core.errors import InvalidFlowError, NotFoundError, UnavailableError
from flowrunner.core.graph import StepKind
from flowrunner.core.model import Failure, StepStatus
from flowrunner.core.substitution import Template, Unresolved, Value, parse
from flowrunner.db.payloads import ref_of
from flowrunner.db.pool import AWAY
from flowrunner.definitions.context import Context, Project, Report, ReportContext
from flowrunner.definitions.flow import Step
from flowrunner.definitions.library import Definition, Library
from flowrunner.definitions.prompts import build_prompt
from flowrunner.engine import threads
from flowrunner.engine.bodies import Bodies
from flowrunner.engine.census import census_of
from flowrunner.engine.letters import Answer
from flowrunner.engine.raising import raised
from flowrunner.engine.results import Outcomes, Results, reader
from flowrunner.engine.views import RunView
from flowrunner.wire.tasks import storable

log = structlog.stdlib.get_logger()

T = TypeVar("T")

USER_CODE_SECONDS = 10.0
PROMPT_CHARACTERS = 4_000_000


@dataclass(frozen=True, slots=True)
class CodeCall:
    """A code step as its author wrote it, with what it sees."""

    step: Step
    context: Context


class Evaluator:
    """Answers what the core asks. Runs outside any transaction, with a time limit (D2-05)."""

    def __init__(
        self, library: Library, bodies: Bodies, seconds: float = USER_CODE_SECONDS
    ) -> None:
        self._library = library
        self._bodies = bodies
        self._seconds = seconds

    async def answer(self, ask: Ask, view: RunView) -> Answer:
        """Return the input that answers *ask*. Raises only while the database is away.

        Whatever else goes wrong will go wrong again: it is an answer, or the run would stand still.
        """
        try:
            match ask:
                case Prepare(step=step):
                    return await self._prepare(step, view)
                case Render(partial=partial):
                    return await self._render(view, partial=partial)
        except (*AWAY, UnavailableError):
            raise
        except Exception as error:
            log.exception("ask.unanswerable", run_id=str(view.meta.run_id))
            failure = Failure("internal_error", f"what it depends on raised {raised(error)}")
            if isinstance(ask, Prepare):
                return Answer(inp.PromptBuilt(ask.step, failure))
            return Answer(inp.ReportRendered(failure))

    def definition(self, view: RunView) -> Definition | Failure:
        """The flow this run is pinned to, or why it cannot be used (R2-14, D2-21)."""
        try:
            found = self._library.get(view.meta.flow)
        except NotFoundError:
            return Failure("unknown_flow", f"unknown flow '{view.meta.flow}'")
        except InvalidFlowError as error:
            return Failure("invalid_flow", f"{error}: {error.problems[0]}")
        if found.hash != view.meta.definition_hash:
            message = f"flow '{view.meta.flow}' changed since this run began"
            return Failure("definition_changed", f"{message}: launch it again to use the new one")
        return found

    def step_of(self, view: RunView, step: int) -> Step | None:
        """The step as its author wrote it; None when the definition is not at hand."""
        found = self.definition(view)
        return None if isinstance(found, Failure) else found.flow.steps[step]

    async def code_call(self, number: int, view: RunView) -> CodeCall | Failure:
        """What a code step runs and sees; a definition that is gone or changed is its failure."""
        definition = self.definition(view)
        if isinstance(definition, Failure):
            return definition
        context = await self.context(view, definition, None)
        return CodeCall(definition.flow.steps[number], context)

    async def context(self, view: RunView, definition: Definition, persona: str | None) -> Context:
        """What prompts, guards and code steps see."""
        body = await self._bodies.get(view.meta.input_ref)
        steps = {step.id: step for step in definition.flow.steps}
        results = Results(view, steps, reader(self._bodies, view.fresh))
        return Context(
            run_id=view.meta.run_id,
            input=definition.flow.input.model_validate_json(body),
            band=view.meta.band,
            project=_project(view),
            model=view.meta.context.model,
            nonce=view.meta.nonce,
            results=results,
            outcomes=Outcomes(view, results),
            persona=persona,
        )

    async def _prepare(self, number: int, view: RunView) -> Answer:
        definition = self.definition(view)
        if isinstance(definition, Failure):
            return Answer(inp.PromptBuilt(number, definition))
        step = definition.flow.steps[number]
        context = await self.context(view, definition, step.persona)
        what = f"{view.meta.flow}/{step.id}"
        if step.when is not None:
            passed = await self._call(f"when of {what}", lambda: _truth(step, context))
            if passed is not True:
                return Answer(inp.GuardEvaluated(number, passed))
        if StepKind(step.kind) is StepKind.CODE:
            return Answer(inp.GuardEvaluated(number, answer=True))
        text = await self._call(f"prompt of {what}", lambda: _prompt(step, context, definition))
        if isinstance(text, Failure):
            return Answer(inp.PromptBuilt(number, text))
        body = storable(text).encode()
        ref = ref_of(body)
        return Answer(inp.PromptBuilt(number, ref), {ref: body})

    async def _render(self, view: RunView, *, partial: bool) -> Answer:
        definition = self.definition(view)
        if isinstance(definition, Failure):
            return Answer(inp.ReportRendered(definition))
        context = await self._report_context(view, definition, partial=partial)
        what = f"report of {view.meta.flow}"
        body = await self._call(what, lambda: _report_body(definition.flow.render(context)))
        if isinstance(body, Failure):
            return Answer(inp.ReportRendered(body))
        text, outcome = body
        ref = ref_of(text)
        return Answer(inp.ReportRendered(ref, outcome), {ref: text})

    async def _report_context(
        self, view: RunView, definition: Definition, *, partial: bool
    ) -> ReportContext:
        context = await self.context(view, definition, None)
        return ReportContext(
            run_id=context.run_id,
            input=context.input,
            band=context.band,
            project=context.project,
            model=context.model,
            nonce=context.nonce,
            results=context.results,
            outcomes=context.outcomes,
            census=census_of(view),
            partial=partial,
            flow=view.meta.flow,
            commit=None,
            started_at=started_at(view),
            definition=view.meta.definition_hash,
            usage=view.usage,
            finished_at=datetime.now(UTC),
        )

    async def _call(self, what: str, function: Callable[[], T]) -> T | Failure:
        try:
            return await threads.call(what, function, self._seconds)
        except threads.HangsError as error:
            return Failure("definition_error", f"the {error}")
        except _UnresolvedError as error:
            return Failure("unresolved_reference", str(error))
        except UnavailableError:
            # It could not read what it asked for: that is nobody's failure.
            raise
        except Exception as error:  # noqa: BLE001  # whatever user code raises is its step's failure
            return Failure("definition_error", f"the {what} raised {raised(error)}")


def started_at(view: RunView) -> datetime:
    """A run's id is a UUIDv7: its first 48 bits are the milliseconds of its launch."""
    return datetime.fromtimestamp((view.meta.run_id.int >> 80) / 1000, tz=UTC)


class _UnresolvedError(Exception):
    """A template refers to something that has no value."""


def _truth(step: Step, context: Context) -> bool:
    assert step.when is not None  # noqa: S101  # the caller asked
    return bool(step.when(context))


def _prompt(step: Step, context: Context, definition: Definition) -> str:
    text = _filled(step.run, step, context) if isinstance(step.run, str) else _said(step, context)
    persona = definition.personas[step.persona] if step.persona else None
    prompt = build_prompt(persona, text)
    if len(prompt) > PROMPT_CHARACTERS:
        msg = f"the prompt has {len(prompt)} characters, at most {PROMPT_CHARACTERS} are allowed"
        raise ValueError(msg)
    return prompt


def _said(step: Step, context: Context) -> str:
    assert callable(step.run)  # noqa: S101  # checked when the flow was loaded
    text = threads.finished(step.run(context))
    if not isinstance(text, str) or not text.strip():
        msg = f"an agent step's `run` returns its prompt, not {text!r:.80}"
        raise TypeError(msg)
    return text


def _filled(template: str, step: Step, context: Context) -> str:
    parsed = parse(template, tuple(context.outcomes))
    assert isinstance(parsed, Template)  # noqa: S101  # checked when the flow was loaded
    values: dict[str, Value] = {}
    for key in parsed.references:
        outcome = context.outcomes[key]
        if outcome.status == StepStatus.FAILED:
            raise _UnresolvedError(f"step '{step.id}' refers to '{key}', which failed")
        assert isinstance(context.results, Results)  # noqa: S101  # made above
        is_there = key in context.results
        values[key] = Value(context.results.text(key)) if is_there else Value(absent=True)
    filled = parsed.fill(values, nonce=context.nonce)
    if isinstance(filled, Unresolved):
        raise _UnresolvedError(f"{filled.reference.source}: {filled.reason}")
    return filled


def _report_body(report: Report | str) -> tuple[bytes, str]:
    if isinstance(report, str):
        report = Report(report)
    body = {
        "outcome": report.outcome,
        "markdown": storable(report.markdown),
        "data": report.data,
        "sarif": report.sarif,
    }
    return json.dumps(body, ensure_ascii=False, default=_model).encode(), report.outcome


def _model(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"a {type(value).__name__} cannot be in a report's data")


def _project(view: RunView) -> Project:
    meta = view.meta
    return Project(meta.context.project_id, meta.project_name, Path(meta.project_root))
