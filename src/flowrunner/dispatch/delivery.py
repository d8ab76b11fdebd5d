"""Bring a result to whoever waits for it, through a network that fails."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import structlog

from flowrunner.core.errors import FlowRunnerError, UnavailableError
from flowrunner.dispatch.outcome import refused
from flowrunner.dispatch.ports import Receipt, Task, TaskPort
from flowrunner.wire.tasks import TaskError, TaskReport

log = structlog.stdlib.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Seconds: how long one call may take, how the waits between calls grow, when to give up."""

    call_seconds: float = 30.0
    first_seconds: float = 0.2
    most_seconds: float = 10.0
    give_up_seconds: float = 600.0


async def deliver(
    port: TaskPort, task: Task, report: TaskReport, delivery: Delivery
) -> Receipt | None:
    """Report until it is answered; None when nobody could be told, and the lease must go back.

    A report that is refused as such is replaced by a failure that says so: silence would leave
    the step running. Cancel this when the lease is lost.
    """
    deadline = time.monotonic() + delivery.give_up_seconds
    wait = delivery.first_seconds
    while True:
        try:
            async with asyncio.timeout(delivery.call_seconds):
                return await port.report(task, report)
        except (UnavailableError, TimeoutError) as exc:
            log.warning("result.undelivered", task=task.task_id, error=str(exc))
        except Exception as exc:
            # Whatever is wrong with this report, the next one must not be lost with the worker.
            log.exception("result.refused", task=task.task_id)
            report = _refusal(task, exc)
        if time.monotonic() + wait > deadline:
            log.error("result.given_up", task=task.task_id)
            return None
        await asyncio.sleep(wait)
        wait = min(delivery.most_seconds, wait * 2)


def _refusal(task: Task, exc: Exception) -> TaskReport:
    hint = exc.hint if isinstance(exc, FlowRunnerError) else None
    error = TaskError(code="report_refused", message=f"the result was refused: {exc}", hint=hint)
    return refused(task.epoch, error)
