"""What came of an agent step, part by part: a step with `each` has several, any other has one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from flowrunner import Context, StepResult

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Part(Generic[T]):
    """*key* is the member's, empty for a step without `each`; *output* None says that it failed."""

    key: str
    status: str
    output: T | None
    message: str


def parts_of(ctx: Context, step: str, kind: type[T]) -> tuple[Part[T], ...]:
    """Return the parts of a step that began; nothing for one that was skipped or left out."""
    outcome = ctx.outcomes.get(step)
    if outcome is None or outcome.status in {"skipped", "excluded"}:
        return ()
    if len(outcome.children):
        return tuple(_part(child, kind, step) for child in outcome.children)
    if isinstance(outcome.output, list):
        return ()
    return (_part(outcome, kind, step),)


def outputs_of(ctx: Context, step: str, kind: type[T]) -> Iterator[T]:
    """Yield what the parts that completed said, also those of a step that failed."""
    yield from (part.output for part in parts_of(ctx, step, kind) if part.output is not None)


def _part(result: StepResult, kind: type[T], step: str) -> Part[T]:
    output = result.output if isinstance(result.output, kind) else None
    key = result.key.removeprefix(step).removeprefix("[").removesuffix("]")
    message = "" if output is not None else result.message or f"it is {result.status}"
    return Part(key, result.status, output, message)
