"""Read a YAML flow: every problem at once, each with file, line and column (D2-26)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice

from flowrunner.core.errors import Problem
from flowrunner.core.validation import MAX_PROBLEMS, first_of
from flowrunner.definitions.checks import check_flow
from flowrunner.definitions.flow import Flow
from flowrunner.definitions.yaml.building import Builder
from flowrunner.definitions.yaml.forms import Sheet, problems_in
from flowrunner.definitions.yaml.grammar import FLOW, FORMS, SUFFIX
from flowrunner.definitions.yaml.nodes import (
    MapNode,
    compose,
    members_of,
    node_at,
    text_at,
    without,
)

_KEYS: Mapping[str, tuple[str, ...]] = {
    "unknown-persona": ("persona",),
    "persona-without-agent": ("persona",),
    "duplicate-step": ("id",),
    "bad-step-id": ("id",),
    "unknown-dependency": ("needs",),
    "duplicate-dependency": ("needs",),
    "unknown-band": ("bands",),
    "unknown-redo": ("approval", "redo_from"),
    "redo-not-ancestor": ("approval", "redo_from"),
    "reserved-input": ("inputs", "band"),
}
"""Where in a step, or in the flow, the problem of the shared checks stands."""
_HINTS = {"reserved-input": "write ${band}"}
_VALUES = {"wrong-type", "bad-value"}


@dataclass(frozen=True, slots=True)
class Loaded:
    """A flow, the name it gives itself, and all that is wrong; it may run only if nothing is."""

    flow: Flow | None
    name: str | None
    problems: tuple[Problem, ...]


def load_yaml(text: str, file: str, personas: Collection[str]) -> Loaded:
    """Read *text* whole; nothing of it is run, for there is nothing that could be."""
    if not file.endswith(SUFFIX):
        message = f"a flow in YAML is a file whose name ends with {SUFFIX}"
        return Loaded(None, None, (Problem("bad-file-name", message, file, hint="rename it"),))
    root, problems = compose(text.removeprefix("\ufeff"), file)
    if root is None:
        return Loaded(None, None, problems)
    sheet = Sheet(file, FORMS)
    found = [*problems, *islice(problems_in(root, FLOW, sheet, "a flow"), MAX_PROBLEMS + 1)]
    if not isinstance(root, MapNode):
        return Loaded(None, None, tuple(found))
    wrong = {(each.line or 0, each.column or 0) for each in found if each.code in _VALUES}
    sound = without(root, wrong)
    assert isinstance(sound, MapNode)  # noqa: S101  # a map stays one
    builder = Builder(sound, text.removeprefix("\ufeff"), sheet)
    flow = builder.flow()
    found += builder.problems
    if len(found) <= MAX_PROBLEMS:
        found += _shared(flow, root, personas, {problem.line for problem in found})
    told_once = sorted(dict.fromkeys(found), key=_place_of)
    return Loaded(flow, text_at(root, "flow"), first_of(told_once))


def _shared(
    flow: Flow, root: MapNode, personas: Collection[str], told: Collection[int | None]
) -> Iterator[Problem]:
    """Have the flow checked as one in Python is; what the forms have said is not said again."""
    steps = {each.place.line: each for each in members_of(node_at(root, "steps"))}
    for problem in check_flow(flow, personas):
        within = root if problem.line == root.place.line else steps.get(problem.line or 0, root)
        exact = node_at(within, *_KEYS.get(problem.code, ())) or within
        place = exact.place
        if place.line not in told or exact is within:
            hint = _HINTS.get(problem.code, problem.hint)
            yield replace(problem, line=place.line, column=place.column, hint=hint)


def _place_of(problem: Problem) -> tuple[int, int]:
    return problem.line or 0, problem.column or 0
