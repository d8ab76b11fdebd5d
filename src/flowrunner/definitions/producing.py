"""What a step gives to those that name it, and whether its function returns what its kind asks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from types import GenericAlias, NoneType
from typing import Any

from flowrunner.core.errors import Problem
from flowrunner.definitions.authoring import Part
from flowrunner.definitions.fitting import ANYTHING, fits, named
from flowrunner.definitions.flow import Approval, Step
from flowrunner.definitions.parameters import Parameter, returned_by
from flowrunner.definitions.scope import Producer

_TIMES = str | float | timedelta | datetime
_RETURNS: dict[str, tuple[object, str]] = {
    "agent": (str, "returns its prompt, which is text"),
    "approval": (str, "returns its question, which is text"),
    "wait": (_TIMES, "returns how long to wait, or until when"),
}


def output_of(part: Part) -> object:
    """Return the type of one answer: as `output=` says, or a code function's return annotation."""
    if "output" in part.options or part.kind != "code":
        return part.options.get("output")
    told = _returned(part)
    silent = told is None or told.wrong or told.annotation in (*ANYTHING, None, NoneType)
    return None if silent or told is None else told.annotation


def gives_of(part: Part, *, has_each: bool) -> object:
    """Return the type of a step's result: of one answer, or of the list of them."""
    one = _one(part.kind, output_of(part))
    return GenericAlias(list, (one,)) if has_each else one


def plain_producer(step: Step) -> Producer:
    """Describe a step that was written as `Step(...)`."""
    one = _one(step.kind, step.output)
    gives = one if step.each is None else GenericAlias(list, (one,))
    form = step.approval.form if isinstance(step.approval, Approval) else None
    return Producer(step.id, step.kind, gives, form, step.file, step.line)


def wrong_return(part: Part) -> Iterator[Problem]:
    """Yield what is wrong with the return annotation of a step's function."""
    told = _returned(part) if callable(part.function) else None
    if told is None:
        return
    if told.wrong is not None:
        message = f"step '{part.id}': {told.wrong}"
        yield Problem("bad-annotation", message, part.file, part.line, hint=told.hint)
        return
    asked, says = _RETURNS.get(part.kind, (Any, ""))
    if not fits(told.annotation, asked):
        shown = named(told.annotation)
        message = f"step '{part.id}' {says}, not {shown}"
        hint = f"what the agent answers is output={shown}" if part.kind == "agent" else None
        yield Problem("type-mismatch", message, part.file, part.line, hint=hint)


def _returned(part: Part) -> Parameter | None:
    return returned_by(part.function)


def _one(kind: object, output: object) -> object:
    if kind == "wait":
        return None
    if output is None:
        return str if kind == "agent" else Any
    return output
