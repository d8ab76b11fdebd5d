"""What can be wrong with what a step asks of its answer, beyond its type."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from flowrunner.core.errors import Problem
from flowrunner.definitions.complaints import complain, count, names
from flowrunner.definitions.flow import Step
from flowrunner.definitions.outputs import is_structured
from flowrunner.definitions.produces import Citations, Produces
from flowrunner.definitions.shapes import as_text, is_bool, shown, texts_in, wrong_function

REPAIRS = range(11)


def check_answer(step: Step) -> Iterator[Problem]:
    """Yield what is wrong with `repairs`, `schema_in_prompt` and `produces`."""
    if step.repairs is not None:
        yield from count(step, "bad-repairs", "repairs", step.repairs, REPAIRS)
    if not is_bool(step.schema_in_prompt):
        message = f"schema_in_prompt must be true or false, not {shown(step.schema_in_prompt)}"
        yield complain(step, "bad-output", message)
    if step.kind != "agent":
        yield from _misplaced(step)
    if isinstance(step.produces, Produces):
        yield from _produces(step, step.produces)
    elif step.produces is not None:
        message = f"produces must be Produces(...), not {shown(step.produces)}"
        yield complain(step, "bad-produces", message)


def _misplaced(step: Step) -> Iterator[Problem]:
    given = {"repairs": step.repairs, "produces": step.produces}
    for name in [name for name, value in given.items() if value is not None]:
        message = f"{name}= is about the answer of an agent, and this is a step of kind {step.kind}"
        hint = "check in the step's own function, and raise" if step.kind == "code" else None
        yield complain(step, f"bad-{name}", message, hint)


def _produces(step: Step, produces: Produces) -> Iterator[Problem]:
    citations: object = produces.citations
    if isinstance(citations, Citations):
        yield from _keys(step, citations)
    elif not is_bool(citations):
        message = f"produces.citations must be true or Citations(...), not {shown(citations)}"
        yield complain(step, "bad-produces", message)
    if citations and not is_structured(step.output):
        hint = "say with output= which fields are file, line and quote"
        yield complain(step, "bad-produces", "a text has no citations to look for", hint)
    if callable(produces.files):
        yield from _of_two(step, "files", produces.files)
    else:
        yield from names(step, "produces.files", produces.files, code="bad-produces")
    if produces.check is not None:
        yield from _of_two(step, "check", produces.check)
    if produces.pins is not None and (wrong := wrong_function(produces.pins)):
        yield complain(step, "bad-produces", f"produces.pins {wrong}")


def _keys(step: Step, citations: Citations) -> Iterator[Problem]:
    for name in ("file", "line_end", "quote"):
        if not as_text(getattr(citations, name)):
            message = f"citations.{name} must be a key, not {shown(getattr(citations, name))}"
            yield complain(step, "bad-produces", message)
    line: object = citations.line
    if not as_text(line) and not texts_in(line):
        yield complain(step, "bad-produces", f"citations.line must be a key, not {shown(line)}")
    if not is_bool(citations.exact):
        message = f"citations.exact must be true or false, not {shown(citations.exact)}"
        yield complain(step, "bad-produces", message)


def _of_two(step: Step, name: str, function: object) -> Iterator[Problem]:
    """Complain unless *function* can be called with the context and the answer."""
    if not callable(function):
        message = f"produces.{name} must be a function, not {shown(function)}"
        yield complain(step, "bad-produces", message)
        return
    try:
        inspect.signature(function).bind(object(), object())
    except TypeError:
        message = f"produces.{name} must take two arguments: the context and the answer"
        yield complain(step, "bad-produces", message)
    except ValueError:
        return
