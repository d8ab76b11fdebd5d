"""A result is told until somebody has answered, and polling finds its own pace."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from dispatch.tasks import a_task
from flowrunner.core.errors import InvalidInputError, InvariantError, UnavailableError
from flowrunner.dispatch.delivery import Delivery, deliver
from flowrunner.dispatch.polling import Polling, next_wait, varied
from flowrunner.dispatch.ports import Receipt, Task
from flowrunner.wire.tasks import Chunk, TaskReport

REPORT = TaskReport(epoch=7, outcome="completed", output="answer")
QUICK = Delivery(call_seconds=0.2, first_seconds=0.01, give_up_seconds=5)


class Receiver:
    """Answers each call with the next of *answers*: a receipt, an error, or (None) not at all."""

    def __init__(self, *answers: Receipt | Exception | None) -> None:
        self.answers = list(answers)
        self.heard: list[TaskReport] = []

    async def report(self, task: Task, report: TaskReport) -> Receipt:
        assert task.epoch == report.epoch
        self.heard.append(report)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            await asyncio.Event().wait()
        return answer or "settled"

    async def append(self, task: Task, chunks: Sequence[Chunk]) -> bool:
        raise NotImplementedError


@pytest.mark.anyio
@pytest.mark.parametrize("receipt", ["settled", "left"])
async def test_an_unknown_outcome_is_told_again(receipt: Receipt) -> None:
    """P1, P3: the same report, until it is answered; the receiver knows it by its epoch."""
    receiver = Receiver(UnavailableError("cut"), TimeoutError(), UnavailableError("cut"), receipt)

    assert await deliver(receiver, a_task(), REPORT, QUICK) == receipt
    assert receiver.heard == [REPORT] * 4


@pytest.mark.anyio
@pytest.mark.parametrize(
    "refusal",
    [InvalidInputError("too large", []), InvariantError("too large"), ValueError("too large")],
)
async def test_a_refused_report_becomes_a_failure(refusal: Exception) -> None:
    """P4: a result that nobody accepts must not leave its step running, nor end the worker."""
    receiver = Receiver(refusal, "settled")

    assert await deliver(receiver, a_task(), REPORT, QUICK) == "settled"
    error = receiver.heard[1].error
    assert error is not None
    assert (error.code, error.message) == ("report_refused", "the result was refused: too large")


@pytest.mark.anyio
async def test_nobody_to_be_told_is_an_answer_too() -> None:
    """P4: after that the lease goes back, so that somebody else may try."""
    endless = Receiver(*[UnavailableError("cut"), InvalidInputError("no", [])] * 50)

    given_up = Delivery(first_seconds=0.01, give_up_seconds=0.05)
    async with asyncio.timeout(5):
        assert await deliver(endless, a_task(), REPORT, given_up) is None


@pytest.mark.anyio
async def test_a_call_that_hangs_is_made_again() -> None:
    """P3: a connection that died silently holds up no result."""
    receiver = Receiver(None, "settled")

    async with asyncio.timeout(5):
        assert await deliver(receiver, a_task(), REPORT, QUICK) == "settled"
    assert receiver.heard == [REPORT, REPORT]


@pytest.mark.parametrize(
    ("wait", "found", "announced", "expected"),
    [
        (1.0, 0, False, 1.5),
        (4.0, 0, True, 5.0),
        (4.0, 3, True, 4.0),
        (4.0, 3, False, 2.0),
        (1.5, 3, False, 1.0),
    ],
)
def test_the_pace_follows_what_is_found(
    wait: float,
    found: int,
    announced: bool,  # noqa: FBT001
    expected: float,
) -> None:
    """Slower while there is nothing, quicker when notifications seem to be lost (N6)."""
    assert next_wait(wait, found, Polling(), announced=announced) == expected


def test_waits_are_spread() -> None:
    """N10: workers that started together do not look together."""
    assert [varied(5.0, share, Polling()) for share in (0.0, 0.5, 1.0)] == [4.0, 5.0, 6.0]
