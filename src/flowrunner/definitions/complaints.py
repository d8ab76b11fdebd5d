"""The forms that complaints about a step take, so that all of them read alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flowrunner.core.errors import Problem
from flowrunner.core.validation import closest
from flowrunner.definitions.durations import SPAN_HINT, seconds_of
from flowrunner.definitions.flow import Step
from flowrunner.definitions.shapes import as_text, shown, wrong_function, wrong_texts


def complain(step: Step, code: str, message: str, hint: str | None = None) -> Problem:
    """Say *message* of *step*, at the line where it is written."""
    return Problem(code, f"step '{step.id}': {message}", step.file, step.line, hint=hint)


def choice(
    step: Step, name: str, value: object, allowed: Sequence[str], *, code: str | None = None
) -> Iterator[Problem]:
    """Complain unless *value* is one of the *allowed* words."""
    if as_text(value) not in allowed:
        message = f"{name} must be one of {', '.join(allowed)}, not {shown(value)}"
        code = code or f"bad-{name.replace('_', '-')}"
        yield complain(step, code, message, closest(str(value), allowed))


def count(step: Step, code: str, name: str, value: object, bounds: range) -> Iterator[Problem]:
    """Complain unless *value* is a whole number within *bounds*."""
    if not is_count(value, bounds):
        low, high = bounds[0], bounds[-1]
        message = f"{name} must be a whole number from {low} to {high:,}, not {shown(value)}"
        yield complain(step, code, message)


def is_count(value: object, bounds: range) -> bool:
    """Tell whether *value* is a number within *bounds*; True is none."""
    return isinstance(value, int) and not isinstance(value, bool) and value in bounds


def span(step: Step, code: str, name: str, value: object) -> Iterator[Problem]:
    """Complain unless *value* is None or a span of time."""
    if value is not None and seconds_of(value) is None:
        yield complain(step, code, f"{name} {shown(value)} is no span of time", SPAN_HINT)


def function(step: Step, code: str, name: str, value: object) -> Iterator[Problem]:
    """Complain unless *value* is None or a function that answers at once."""
    wrong = None if value is None else wrong_function(value)
    if wrong:
        yield complain(step, code, f"{name} {wrong}")


def names(step: Step, name: str, value: object, *, code: str | None = None) -> Iterator[Problem]:
    """Complain unless *value* is a list of texts."""
    if wrong := wrong_texts(name, value):
        given = name.rpartition(".")[2]
        hint = f'write {given}=("{value}",)' if isinstance(value, str) else None
        yield complain(step, code or f"bad-{name.replace('_', '-')}", wrong, hint)
