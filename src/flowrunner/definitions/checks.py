"""Everything that can be wrong with a flow as written, found at once and placed (D2-26)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from flowrunner.core.errors import Problem
from flowrunner.core.validation import MAX_PROBLEMS, check_graph, first_of, suggest
from flowrunner.definitions.durations import SPAN_HINT, seconds_of
from flowrunner.definitions.flow import Flow, Step, no_report
from flowrunner.definitions.graph import drafts_of
from flowrunner.definitions.shapes import (
    as_model,
    as_sequence,
    as_text,
    shown,
    texts_in,
    unshown,
    unstorable,
    wrong_function,
    wrong_texts,
)
from flowrunner.definitions.step_checks import Names, check_step

AUTO = "auto"
"""The band that asks `choose_band`."""
RESERVED_INPUTS = frozenset({"band"})
SIBLINGS = ("stop", "drain")

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\Z")
_NAME_HINT = "1 to 64 of a-z, 0-9, '-' and '_', beginning with a letter or digit"


def check_flow(flow: Flow, personas: Collection[str]) -> tuple[Problem, ...]:
    """Return every problem of *flow*; an empty answer means that its graph can be built."""
    checks = (_name, _texts, _input, _bands, _functions, _siblings, _steps)
    found = [problem for check in checks for problem in check(flow)]
    steps = [step for step in as_sequence(flow.steps) or () if _is_usable(step)]
    usable = [step for step in steps if isinstance(step, Step)]
    names = Names(tuple(step.id for step in usable), texts_in(flow.bands))
    for step in usable:
        if len(found) > MAX_PROBLEMS:
            return first_of(found)
        found += check_step(step, names)
    found += check_graph(drafts_of(usable), personas=personas)
    return first_of(found)


def _is_usable(step: object) -> bool:
    return isinstance(step, Step) and as_text(step.id) is not None


def _problem(flow: Flow, code: str, message: str, hint: str | None = None) -> Problem:
    return Problem(code, f"flow '{flow.name}': {message}", flow.file, flow.line, hint=hint)


def _name(flow: Flow) -> Iterator[Problem]:
    if not _NAME.match(as_text(flow.name) or ""):
        message = f"{shown(flow.name)} cannot name a flow"
        yield Problem("bad-flow-name", message, flow.file, flow.line, hint=_NAME_HINT)


def _texts(flow: Flow) -> Iterator[Problem]:
    for name, value in (("title", flow.title), ("description", flow.description)):
        text = as_text(value)
        if text is None:
            yield _problem(flow, f"bad-{name}", f"{name} must be text, not {shown(value)}")
        elif wrong := unstorable(text):
            yield _problem(flow, f"bad-{name}", f"{name} {wrong}")


def _input(flow: Flow) -> Iterator[Problem]:
    model = as_model(flow.input)
    if model is None:
        message = f"input must be a pydantic model class, not {shown(flow.input)}"
        yield _problem(flow, "bad-input-model", message)
        return
    if wrong := unshown(model):
        hint = "fields are what JSON can hold"
        yield _problem(flow, "bad-input-model", f"input has no JSON Schema: {wrong}", hint)
    # D2-30: the band has one home, beside the input.
    for name in sorted(RESERVED_INPUTS & model.model_fields.keys()):
        message = f"the input has a field '{name}', which is given beside the input"
        yield _problem(flow, "reserved-input", message, f"read ctx.{name} instead")


def _bands(flow: Flow) -> Iterator[Problem]:
    bands = texts_in(flow.bands)
    wrong = wrong_texts("bands", flow.bands) or (None if bands else "there must be a band")
    if wrong:
        yield _problem(flow, "bad-bands", wrong, 'write bands=("small", "medium", "large")')
    for band in sorted({band for band in bands if bands.count(band) > 1}):
        yield _problem(flow, "bad-bands", f"band '{band}' is named twice")
    if AUTO in bands:
        message = f"'{AUTO}' asks for a choice and is no band itself"
        yield _problem(flow, "bad-bands", message, "give choose_band= a function that picks one")


def _functions(flow: Flow) -> Iterator[Problem]:
    if flow.render is no_report:
        hint = "write a function under @flow.report, or give render="
        yield _problem(flow, "missing-report", "there is no report", hint)
    optional = {"choose_band": flow.choose_band, "check": flow.check}
    given = {name: function for name, function in optional.items() if function is not None}
    for name, function in {"render": flow.render, **given}.items():
        if wrong := wrong_function(function):
            yield _problem(flow, "bad-function", f"{name} {wrong}")
    if flow.deadline is not None and seconds_of(flow.deadline) is None:
        message = f"deadline {shown(flow.deadline)} is no span of time"
        yield _problem(flow, "bad-timeout", message, SPAN_HINT)


def _siblings(flow: Flow) -> Iterator[Problem]:
    if as_text(flow.siblings) not in SIBLINGS:
        message = f"siblings must be one of {', '.join(SIBLINGS)}, not {shown(flow.siblings)}"
        yield _problem(flow, "bad-siblings", message, suggest(str(flow.siblings), SIBLINGS))


def _steps(flow: Flow) -> Iterator[Problem]:
    given = as_sequence(flow.steps)
    if given is None:
        message = f"steps must be a list of Step(...), not {shown(flow.steps)}"
        yield _problem(flow, "bad-steps", message)
    for at, step in enumerate(given or ()):
        if not isinstance(step, Step):
            yield _problem(flow, "bad-steps", f"steps[{at}] is {shown(step)}, not a Step(...)")
        elif as_text(step.id) is None:
            message = f"{shown(step.id)} cannot name a step"
            yield Problem("bad-step-id", message, step.file, step.line)
