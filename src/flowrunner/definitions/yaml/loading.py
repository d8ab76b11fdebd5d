"""Read a YAML flow: every problem at once, each with file, line and column (D2-26)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from flowrunner.core.errors import Problem
from flowrunner.definitions.checks import check_flow
from flowrunner.definitions.flow import Flow
from flowrunner.definitions.yaml.building import Builder
from flowrunner.definitions.yaml.forms import Sheet, members_of, node_at, problems_in, text_at
from flowrunner.definitions.yaml.grammar import FLOW, FORMS
from flowrunner.definitions.yaml.nodes import MapNode, Node, Place, compose

_KEY_OF = {
    "unknown-persona": "persona",
    "persona-without-agent": "persona",
    "duplicate-step": "id",
    "bad-step-id": "id",
    "unknown-dependency": "needs",
    "duplicate-dependency": "needs",
    "unknown-band": "bands",
    "cycle": "id",
}
"""Where in a step the problem of the shared checks stands."""


def load_yaml(
    text: str, file: str, personas: Collection[str]
) -> tuple[Flow | None, str | None, tuple[Problem, ...]]:
    """Return the flow, the name it gives itself, and all that is wrong with it.

    The flow may be run only if nothing is.
    """
    root, problems = compose(text.removeprefix("\ufeff"), file)
    if root is None:
        return None, None, problems
    sheet = Sheet(file, FORMS)
    found = [*problems, *problems_in(root, FLOW, sheet, "a flow")]
    if not isinstance(root, MapNode):
        return None, None, tuple(found)
    builder = Builder(root, text.removeprefix("\ufeff"), sheet)
    flow = builder.flow()
    found += builder.problems
    told = {problem.line for problem in found}
    found += _shared(flow, root, personas, told)
    return flow, text_at(root, "flow"), tuple(sorted(dict.fromkeys(found), key=_place_of))


def _shared(
    flow: Flow, root: MapNode, personas: Collection[str], told: Collection[int | None]
) -> Iterator[Problem]:
    """Have the flow checked as one in Python is; what the forms have said is not said again."""
    places = _places(root)
    for problem in check_flow(flow, personas):
        place = places.get(problem.line or 0, {}).get(_KEY_OF.get(problem.code, ""))
        begin = places.get(problem.line or 0, {}).get("")
        place = place or begin or root.place
        exact = replace(problem, line=place.line, column=place.column)
        if exact.line not in told:
            yield exact


def _places(root: MapNode) -> Mapping[int, Mapping[str, Place]]:
    """The places of a step's values, by the line on which the step begins."""
    steps: Iterator[Node] = iter(members_of(node_at(root, "steps")))
    return {
        step.place.line: {"": step.place, **{n: each.place for n, each in step.members.items()}}
        for step in steps
        if isinstance(step, MapNode)
    }


def _place_of(problem: Problem) -> tuple[int, int]:
    return problem.line or 0, problem.column or 0
