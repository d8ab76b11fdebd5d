"""Look at a task's project before and after, and fail the task if it differs (P8).

`Hooks(before=watch.before, after=watch.after)` puts it around every task of a worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

from flowrunner.dispatch.gates.changes import CODE, compare, explain
from flowrunner.dispatch.gates.digest import TreeState, take
from flowrunner.dispatch.gates.gate import OPEN, Gate
from flowrunner.dispatch.ports import Task
from flowrunner.wire.tasks import TaskError, TaskReport

HINT = "run it again when nobody else writes there, or let agents read a checkout of their own"


class TreeWatch:
    """*gate_of* says which gate a task ran behind; *leave_out* are folders that others write."""

    def __init__(
        self, gate_of: Callable[[Task], Gate] = lambda _task: OPEN, leave_out: Iterable[Path] = ()
    ) -> None:
        self._gate_of = gate_of
        self._leave_out = tuple(leave_out)

    async def before(self, task: Task) -> TreeState:
        return await asyncio.to_thread(take, Path(task.project_root), leave_out=self._leave_out)

    async def after(self, task: Task, before: object, report: TaskReport) -> TaskReport:
        """Return *report*, or a failed one with the differences in its message."""
        if not isinstance(before, TreeState):
            return report
        now = await asyncio.to_thread(take, before.root, earlier=before, leave_out=self._leave_out)
        changes = compare(before, now)
        if not changes:
            return report
        message = await asyncio.to_thread(explain, before, now, changes, self._gate_of(task))
        if report.error is not None:
            message = f"{message}\nThe agent had failed, too: {report.error.message}"
        error = TaskError(code=CODE, message=message, failure_class="fatal", hint=HINT)
        return TaskReport(epoch=report.epoch, outcome="failed", error=error, usage=report.usage)
