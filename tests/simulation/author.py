"""The flow's author: what guards, prompts, lists and reports say. Written so that laws can tell
from a text which results it was made from.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import cast

from flowrunner.core import inputs as inp
from flowrunner.core.decision import Ask, Gather, Judge, Prepare, Render
from flowrunner.core.errors import UnavailableError
from flowrunner.core.graph import StepKind, StepSpec
from flowrunner.core.model import Failure, Ref, StepStatus
from flowrunner.db.payloads import ref_of
from flowrunner.definitions.flow import Step
from flowrunner.engine.evaluation import CodeCall, Evaluator
from flowrunner.engine.letters import Answer
from flowrunner.engine.views import RunView
from simulation.loop import passed
from simulation.plans import Fault
from simulation.shapes import MEMBERS, Shape
from simulation.world import World

REPAIRS = 2
BROKEN = Failure("definition_error", "the author's code raised")


def prompt_text(key: str, needs: Sequence[tuple[str, Ref | None]]) -> bytes:
    """What an agent is told: its step, and the results that its needs had."""
    return json.dumps([key, *needs]).encode()


def needs_of(view: RunView, spec: StepSpec) -> list[tuple[str, Ref | None]]:
    return [(view.state.spec(need).key, view.output(need)) for need in spec.needs]


class Author:
    """Answers like `Evaluator`, without threads: at once, late, wrongly, or not at all."""

    def __init__(self, world: World) -> None:
        self._world = world

    @property
    def evaluator(self) -> Evaluator:
        return cast("Evaluator", self)

    @property
    def _shape(self) -> Shape:
        return self._world.plan.what

    async def ensure(self, view: RunView) -> None:
        """The definition is always at hand."""

    def step_of(self, view: RunView, number: int) -> Step | None:
        """No step says what its output must look like, but each asks again for a whole answer."""
        spec = view.state.spec(number)
        is_call = spec.parent is not None and spec.item is None
        return None if is_call else Step("any", run="?", repairs=REPAIRS)

    async def code_call(self, number: int, view: RunView) -> CodeCall | Failure:
        """What a code step runs: the keys of its calls."""
        return cast("CodeCall", self._shape.calls.get(view.state.spec(number).key, ()))

    async def answer(self, ask: Ask, view: RunView) -> Answer:
        fault = self._world.fault("ask")
        kind = "" if fault is None else fault.kind
        await passed(0 if fault is None or kind != "dawdles" else fault.seconds)
        if kind == "away":
            raise UnavailableError("the results cannot be read")
        return self._said(ask, view, fault if kind == "raises" else None)

    def _said(self, ask: Ask, view: RunView, broken: Fault | None) -> Answer:
        match ask:
            case Prepare(step=number):
                return self._prepared(number, view, is_broken=broken is not None)
            case Gather(step=number):
                return _gathered(number, view)
            case Judge(step=number, iteration=iteration):
                family = view.state.steps[number].family
                child = dict(family.calls)[str(iteration)] if family is not None else number
                return Answer(inp.LoopJudged(number, iteration, iteration > 1, view.output(child)))
            case Render(actor=actor):
                body = b"report"
                said = inp.ReportRendered(ref_of(body) if broken is None else BROKEN, "ok", actor)
                return Answer(said, {ref_of(body): body})

    def _prepared(self, number: int, view: RunView, *, is_broken: bool) -> Answer:
        spec = view.state.spec(number)
        if is_broken:
            return Answer(inp.PromptBuilt(number, BROKEN))
        if spec.has_when and spec.key in self._shape.refused:
            return Answer(inp.GuardEvaluated(number, answer=False))
        body = prompt_text(spec.key, needs_of(view, spec))
        ref = ref_of(body)
        if spec.each is not None:
            return Answer(inp.Expanded(number, MEMBERS, ref), {ref: body})
        if spec.repeat is not None or spec.kind is StepKind.CODE:
            return Answer(inp.GuardEvaluated(number, answer=True))
        if spec.kind is StepKind.WAIT:
            return Answer(inp.WaitSet(number, 1.0))
        if spec.kind is StepKind.APPROVAL:
            return Answer(inp.ApprovalBuilt(number, ref, "digest"), {ref: body})
        return Answer(inp.PromptBuilt(number, ref), {ref: body})


def _gathered(number: int, view: RunView) -> Answer:
    family = view.state.steps[number].family
    children = range(family.first, family.first + family.size) if family is not None else ()
    body = gathered_text(
        [view.output(n) for n in children if view.state.steps[n].status is StepStatus.COMPLETED]
    )
    return Answer(inp.Gathered(number, ref_of(body)), {ref_of(body): body})


def gathered_text(outputs: Sequence[Ref | None]) -> bytes:
    return json.dumps(outputs).encode()
