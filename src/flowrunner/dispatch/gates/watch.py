"""Look at a task's project before and after, and fail the task if it differs (P8)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, TypeAlias

from flowrunner.dispatch.gates.changes import CODE, compare, explain, left_open
from flowrunner.dispatch.gates.digest import TreeState, take
from flowrunner.dispatch.gates.gate import Gate, Right
from flowrunner.dispatch.ports import Task
from flowrunner.wire.tasks import TaskError, TaskReport

OnChange: TypeAlias = Literal["fail", "note"]
"""What a change means that the gate was proved to forbid to the agent; others always fail."""
_NO_CHANGE = frozenset({Right.CONTENT, Right.TRUNCATION, Right.METADATA})
HINT = (
    "run it again when nobody else writes there, let agents read a checkout of their own, or have"
    " changes by others noted only: FLOWRUNNER_ON_CHANGE=note"
)


class TreeWatch:
    """Around one task: *gate* is what it runs behind, *leave_out* are folders that others write.

    Behind a gate that was proved to forbid every change, what git ignores (caches, builds) is left
    out: others write it all the time, and it is no part of what is reviewed.
    """

    def __init__(
        self, gate: Gate, leave_out: Iterable[Path] = (), on_change: OnChange = "fail"
    ) -> None:
        self._gate = gate
        self._leave_out = tuple(leave_out)
        self._on_change: OnChange = on_change
        self._ignored = not gate.rights >= _NO_CHANGE

    async def before(self, task: Task) -> TreeState:
        """Take the first look; do it after the gate was probed, whose traces are ours."""
        return await asyncio.to_thread(
            take, Path(task.project_root), leave_out=self._leave_out, ignored=self._ignored
        )

    async def after(self, before: TreeState, report: TaskReport) -> TaskReport:
        """Return *report*, or a failed one with the differences in its message."""
        now = await asyncio.to_thread(
            take, before.root, earlier=before, leave_out=self._leave_out, ignored=self._ignored
        )
        changes = compare(before, now)
        if not changes:
            return report
        message = await asyncio.to_thread(explain, before, now, changes, self._gate)
        if self._on_change == "note" and not left_open(changes, self._gate):
            record = {**(report.record or {}), "changes": message}
            return report.model_copy(update={"record": record})
        if report.error is not None:
            message = f"{message}\nThe agent had failed, too: {report.error.message}"
        error = TaskError(code=CODE, message=message, failure_class="fatal", hint=HINT)
        said = report.output if report.outcome == "completed" else report.partial
        kept = report.model_dump(exclude={"outcome", "output", "error", "partial"})
        return TaskReport(**kept, outcome="failed", error=error, partial=said)
