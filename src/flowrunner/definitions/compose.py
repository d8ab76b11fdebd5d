"""From a flow whose steps are decorated functions to the plain flow that everything else reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

from flowrunner.core.errors import Problem
from flowrunner.core.validation import MAX_PROBLEMS, suggest
from flowrunner.definitions.authoring import OPTIONS, Part
from flowrunner.definitions.binding import Reader, Special, bind
from flowrunner.definitions.context import Report, ReportContext
from flowrunner.definitions.flow import Flow, Step, no_report, placed
from flowrunner.definitions.producing import gives_of, plain_producer
from flowrunner.definitions.scope import Producer, Scope, place_of
from flowrunner.definitions.shapes import as_model, as_sequence, as_text, shown, wrong_function
from flowrunner.definitions.writing import Writing

RESERVED = frozenset({"input", "ctx"})


@dataclass(frozen=True, slots=True)
class Composed:
    """The plain flow, and what is wrong with how its functions name each other."""

    flow: Flow
    problems: tuple[Problem, ...]


def compose(flow: Flow) -> Composed:
    """Make steps of what was written under the decorators of *flow*; a plain flow stays itself.

    Nothing can be added to *flow* after this.
    """
    flow.parts.is_closed = True
    parts = flow.parts.found
    if not parts:
        return Composed(flow, ())
    scope = Scope(str(flow.name), [part for part in parts if part.kind != "report"])
    given = as_sequence(flow.steps) or ()
    for step in given:
        if isinstance(step, Step) and as_text(step.id) is not None:
            scope.add(plain_producer(step))
    steps: list[Any] = list(given)
    problems: list[Problem] = []
    for part in [part for part in parts if part.kind != "report"]:
        scope.below.remove(part)
        if len(problems) > MAX_PROBLEMS:
            break
        steps += _step(part, flow, scope, problems)
    render = _render(flow, scope, problems)
    # What is no list stays, for the checks to refuse.
    kept = flow.steps if as_sequence(flow.steps) is None else tuple(steps)
    whole = replace(flow, steps=kept, render=render)
    return Composed(placed(whole, flow.file, flow.line), tuple(problems))


def _step(part: Part, flow: Flow, scope: Scope, problems: list[Problem]) -> Iterator[Step]:
    """Yield the step of *part*, unless its name is taken."""
    problems += _wrong_options(part)
    key = as_text(part.id)
    known = scope.steps.get(key) if key is not None else None
    if known is not None:
        first = f" (first defined at {known.place})" if known.place else ""
        message = f"flow '{flow.name}' already has a step '{key}'{first}"
        problems.append(Problem("duplicate-step", message, part.file, part.line))
        return
    if key in RESERVED:
        message = f"step '{key}' has a name that parameters keep for something else"
        hint = "give it another: name="
        problems.append(Problem("reserved-name", message, part.file, part.line, hint=hint))
    step = Writing(_with_known_options(part), flow, scope, problems).step()
    yield step
    if key is not None:
        model = as_model(part.options.get("form"))
        gives = gives_of(part, has_each=step.each is not None)
        scope.add(Producer(key, part.kind, gives, model, part.file, part.line), part.function)


def _wrong_options(part: Part) -> Iterator[Problem]:
    known = OPTIONS[part.kind]
    for name in part.options:
        if name not in known:
            message = f"step '{part.id}': a step of kind {part.kind} has no option '{name}'"
            hint = suggest(name, known)
            yield Problem("unknown-option", message, part.file, part.line, hint=hint)


def _with_known_options(part: Part) -> Part:
    known = {name: value for name, value in part.options.items() if name in OPTIONS[part.kind]}
    return replace(part, options=known)


def _render(flow: Flow, scope: Scope, problems: list[Problem]) -> Callable[[ReportContext], Report]:
    reports = [part for part in flow.parts.found if part.kind == "report"]
    for again in reports[1:]:
        first = place_of(reports[0].file, reports[0].line)
        message = f"flow '{flow.name}' already has a report (first defined at {first})"
        problems.append(Problem("duplicate-report", message, again.file, again.line))
    if not reports:
        return flow.render
    part = reports[0]
    if flow.render is not no_report:
        message = f"flow '{flow.name}' has a report already: render= is given"
        problems.append(Problem("duplicate-report", message, part.file, part.line))
    special = {
        "ctx": Special(lambda context: context),
        "input": Special(attrgetter("input"), flow.input, "the flow's input"),
    }
    found = bind(part.function, Reader("the report", part.file, part.line, special, scope))
    problems += found.problems
    if wrong := wrong_function(found.call):
        message = f"the report's function {wrong}"
        problems.append(Problem("bad-function", message, part.file, part.line))
        return lambda _: Report("")
    return _reporting(found.call)


def _reporting(call: Callable[..., object]) -> Callable[[ReportContext], Report]:
    def render(context: ReportContext) -> Report:
        told = call(context)
        if isinstance(told, str):
            return Report(told)
        if not isinstance(told, Report):
            raise TypeError(f"a report is Markdown or a Report(...), not {shown(told)}")
        return told

    return render
