"""What lies in an actor's mailbox, and who waits for its verdict."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from flowrunner.core import inputs as inp
from flowrunner.core.decision import Ask, Verdict
from flowrunner.core.model import Ref
from flowrunner.db.apply import Applied
from flowrunner.engine.views import RunView

Asked: TypeAlias = tuple[int, Ask]
"""What was asked by which generation of a run: a run that begins anew asks anew, as an answer may
speak of results that do not count any more."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An input that came from user code, with the payloads it refers to."""

    given: inp.Input
    bodies: Mapping[Ref, bytes] = field(default_factory=dict[Ref, bytes])


class Delivered(Protocol):
    """Something for the mailbox that becomes an input once the run is at hand."""

    def read(self, view: RunView) -> Answer: ...


@dataclass(slots=True)
class Letter:
    """One delivery and whoever waits for its verdict; *tries* counts decisions it went through."""

    content: Delivered
    verdict: asyncio.Future[Verdict] | None = None
    answer: Answer | None = None

    def resolve(self, verdict: Verdict) -> None:
        if self.verdict is not None and not self.verdict.done():
            self.verdict.set_result(verdict)

    def refuse(self, error: Exception) -> None:
        if self.verdict is not None and not self.verdict.done():
            self.verdict.set_exception(error)


@dataclass(frozen=True, slots=True)
class Told:
    """An input that needs nothing of the run to be understood.

    *asked* is the question, when it answers one.
    """

    answer: Answer
    asked: Asked | None = None

    def read(self, view: RunView) -> Answer:  # noqa: ARG002  # the protocol's shape
        return self.answer


def answer_of(letter: Letter) -> Answer:
    assert letter.answer is not None  # noqa: S101  # read when the batch was taken up
    return letter.answer


def asked_by(letter: Letter) -> Asked | None:
    """The question that it answers, if it answers one."""
    return letter.content.asked if isinstance(letter.content, Told) else None


def still_means(letter: Letter, applied: Applied) -> bool:
    """Whether to decide this letter again after guards failed; a stale result is only recorded."""
    given = answer_of(letter).given
    match given:
        case inp.TaskSettled(step=step, attempt=attempt, epoch=epoch):
            if (step, epoch) in applied.stale:
                outcome = type(given.outcome).__name__.lower()
                letter.answer = Answer(inp.Rejected(step, attempt, epoch, outcome))
                letter.resolve(Verdict.LATE)
            return True
        case inp.TaskLost(step=step, epoch=epoch) | inp.CallAsked(step=step, epoch=epoch):
            stale = (step, epoch) in applied.stale
        case inp.TimerFired(step=step, kind=kind):
            # A queue time-out holds only while nobody has the task: epoch 0 is such a guard.
            stale = (step, kind.value) in applied.stale or (step, 0) in applied.stale
        case _:
            stale = False
    if stale:
        letter.resolve(Verdict.LATE)
    return not stale


def refuse_all(batch: Sequence[Letter], error: Exception) -> None:
    for letter in batch:
        letter.refuse(error)
