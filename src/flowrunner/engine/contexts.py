"""What a flow's functions see of a run, made for one step at one instant."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args, get_origin

from flowrunner.core.model import Ref
from flowrunner.definitions.context import Context, Decided, Project, ReportContext
from flowrunner.definitions.flow import Step
from flowrunner.definitions.library import Definition
from flowrunner.definitions.outputs import adapter
from flowrunner.engine.bodies import Bodies
from flowrunner.engine.census import census_of
from flowrunner.engine.kept import Kept
from flowrunner.engine.results import Outcomes, Reader, Results
from flowrunner.engine.views import RunView

_LISTS_KEPT = 64


class Contexts:
    """Makes contexts; lists that children are made of are parsed once, not once per child."""

    def __init__(self, bodies: Bodies, now: Callable[[], datetime]) -> None:
        self._bodies = bodies
        self._now = now
        self._kept = Kept()
        self._lists: OrderedDict[Ref, list[dict[str, Any]]] = OrderedDict()

    async def of_step(self, view: RunView, definition: Definition, number: int | None) -> Context:
        """What the functions of step *number* see; None for what belongs to no step."""
        body = await self._bodies.get(view.meta.input_ref)
        results = Results(view, definition, Reader(self._bodies, view.fresh), self._kept)
        spec = None if number is None else view.state.spec(number)
        return Context(
            run_id=view.meta.run_id,
            input=definition.flow.input.model_validate_json(body),
            band=view.meta.band,
            project=project_of(view),
            model=view.meta.context.model,
            nonce=view.meta.nonce,
            results=results,
            outcomes=Outcomes(view, results),
            persona=None if spec is None else spec.persona,
            decided=await self._decided(view),
            **await self._place(view, definition, number, results),
        )

    async def of_iteration(
        self, view: RunView, definition: Definition, number: int, iteration: int
    ) -> Context:
        """What the `until` of a loop sees after *iteration*, whose result is `previous`."""
        context = await self.of_step(view, definition, number)
        assert isinstance(context.results, Results)  # noqa: S101  # made above
        said = await self._iteration(view, number, iteration, context.results)
        return replace(context, iteration=iteration, previous=said)

    async def of_report(
        self, view: RunView, definition: Definition, *, partial: bool
    ) -> ReportContext:
        """What `render` sees."""
        context = await self.of_step(view, definition, None)
        return ReportContext(
            run_id=context.run_id,
            input=context.input,
            band=context.band,
            project=context.project,
            model=context.model,
            nonce=context.nonce,
            results=context.results,
            outcomes=context.outcomes,
            decided=context.decided,
            census=census_of(view),
            partial=partial,
            flow=view.meta.flow,
            commit=None,
            started_at=started_at(view),
            definition=view.meta.definition_hash,
            usage=view.usage,
            finished_at=self._now(),
        )

    async def _place(
        self, view: RunView, definition: Definition, number: int | None, results: Results
    ) -> dict[str, Any]:
        """Where a child stands: its member of the list, or its iteration of the loop."""
        spec = None if number is None else view.state.spec(number)
        if spec is None or spec.parent is None or spec.item is None:
            return {}
        parent = view.state.spec(spec.parent)
        if parent.repeat is not None:
            before = await self._iteration(view, spec.parent, spec.item - 1, results)
            return {"iteration": spec.item, "previous": before}
        step = definition.flow.steps[spec.parent]
        family = view.state.steps[spec.parent].family
        if family is None or family.items is None:
            return {}
        member = (await self._members(view, family.items))[spec.item]
        return {"item": _typed(member["value"], step, definition), "item_key": member["key"]}

    async def _iteration(
        self, view: RunView, parent: int, iteration: int, results: Results
    ) -> object | None:
        """What an iteration of a loop said; None when there is none, or it said nothing."""
        family = view.state.steps[parent].family
        number = dict(family.calls).get(str(iteration)) if family is not None else None
        ref = None if number is None else view.output(number)
        if number is None or ref is None:
            return None
        return results.parsed(number, (await self._body(view, ref)).decode())

    async def _body(self, view: RunView, ref: Ref) -> bytes:
        fresh = view.fresh.get(ref)
        return fresh if fresh is not None else await self._bodies.get(ref)

    async def _members(self, view: RunView, items: Ref) -> list[dict[str, Any]]:
        known = self._lists.get(items)
        if known is None:
            known = self._lists[items] = json.loads(await self._body(view, items))
            if len(self._lists) > _LISTS_KEPT:
                self._lists.popitem(last=False)
        return known

    async def _decided(self, view: RunView) -> Sequence[Decided]:
        decided: list[Decided] = []
        for said in view.decided:
            answer: dict[str, Any] = json.loads(await self._body(view, said.answer))
            key = view.state.spec(said.step).key
            values: dict[str, Any] = answer.get("values") or {}
            decided.append(Decided(key, said.approved, said.actor, said.comment, values))
        return decided


def _typed(value: object, step: Step, definition: Definition) -> object:
    """A member as the step that made the list says, where it says so: else as JSON."""
    over = step.each.over if step.each is not None else None
    maker = next((s for s in definition.flow.steps if s.id == over), None)
    output = None if maker is None else maker.output
    members = get_args(output)
    if get_origin(output) in {list, tuple, set, Sequence} and members:
        return adapter(members[0]).validate_python(value)
    is_listed = maker is not None and maker.each is not None
    return adapter(output).validate_python(value) if is_listed and output else value


def started_at(view: RunView) -> datetime:
    """A run's id is a UUIDv7: its first 48 bits are the milliseconds of its launch."""
    return datetime.fromtimestamp((view.meta.run_id.int >> 80) / 1000, tz=UTC)


def project_of(view: RunView) -> Project:
    meta = view.meta
    return _project(meta.context.project_id, meta.project_name, meta.project_root)


@lru_cache(1000)
def _project(project_id: int, name: str, root: str) -> Project:
    """Every step of a run is told the same; reading a path anew costs a tenth of a small step."""
    return Project(project_id, name, Path(root))
