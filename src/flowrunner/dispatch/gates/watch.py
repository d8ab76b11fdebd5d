"""Look at a task's project before and after, and fail the task if it differs (P8)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

from flowrunner.dispatch.gates.changes import CODE, compare, explain
from flowrunner.dispatch.gates.digest import TreeState, take
from flowrunner.dispatch.gates.gate import Gate
from flowrunner.dispatch.ports import Task
from flowrunner.wire.tasks import TaskError, TaskReport

HINT = "run it again when nobody else writes there, or let agents read a checkout of their own"


class TreeWatch:
    """Around one task: *gate* is what it runs behind, *leave_out* are folders that others write.

    Its two methods are what `execution.Hooks` takes.
    """

    def __init__(self, gate: Gate, leave_out: Iterable[Path] = ()) -> None:
        self._gate = gate
        self._leave_out = tuple(leave_out)

    async def before(self, task: Task) -> TreeState:
        """Take the first look; do it after the gate was probed, whose traces are ours."""
        return await asyncio.to_thread(take, Path(task.project_root), leave_out=self._leave_out)

    async def after(self, _task: Task, before: object, report: TaskReport) -> TaskReport:
        """Return *report*, or a failed one with the differences in its message."""
        if not isinstance(before, TreeState):
            return report
        now = await asyncio.to_thread(take, before.root, earlier=before, leave_out=self._leave_out)
        changes = compare(before, now)
        if not changes:
            return report
        message = await asyncio.to_thread(explain, before, now, changes, self._gate)
        if report.error is not None:
            message = f"{message}\nThe agent had failed, too: {report.error.message}"
        error = TaskError(code=CODE, message=message, failure_class="fatal", hint=HINT)
        return TaskReport(epoch=report.epoch, outcome="failed", error=error, usage=report.usage)
