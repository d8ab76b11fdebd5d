"""Agents that answer wrongly before they answer rightly, and what they were asked."""

from __future__ import annotations

from typing import Any

from fixtures.dispatchers import Dispatcher, done
from flowrunner.core.model import RunId
from flowrunner.db.queue import ClaimedTask
from flowrunner.wire.tasks import Usage


def prompt_of(task: ClaimedTask) -> str:
    assert task.input is not None
    return task.input.decode()


async def answered(
    service: Any, dispatcher: Dispatcher, run_id: RunId, *answers: str, key: str = "a"
) -> list[ClaimedTask]:
    """Give these answers one after the other, each to the attempt that the one before caused."""
    tasks: list[ClaimedTask] = []
    for attempt, text in enumerate(answers, start=1):
        (task,) = await dispatcher.take(run_id, key, attempt=attempt)
        await service.tasks.report(task.task_id, done(task, text, Usage(input_tokens=10)))
        tasks.append(task)
    return tasks
