"""One task from its prompt to its report."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, TypeAlias

from flowrunner.dispatch.adapters.judging import Judgement
from flowrunner.dispatch.kit import Kit
from flowrunner.dispatch.outcome import CODES, refused
from flowrunner.dispatch.ports import Task
from flowrunner.dispatch.preparing import Prepared, Work, prepare
from flowrunner.dispatch.rates import RateTable, priced
from flowrunner.dispatch.transcripts import TranscriptWriter
from flowrunner.wire.tasks import Chunk, TaskError, TaskReport

AppendTo: TypeAlias = Callable[[Task, Sequence[Chunk]], Awaitable[bool]]


class Execution:
    """Runs one task once. `stop` and `kill` may come at any time; cancelling `run` kills."""

    def __init__(self, task: Task, kit: Kit, append: AppendTo) -> None:
        self.task = task
        self._kit = kit
        self._writer = TranscriptWriter(lambda chunks: append(task, chunks), kit.transcripts)
        self._work: Work | None = None
        self._order: Literal["stop", "kill"] | None = None

    def beat(self) -> None:
        if self._work is not None:
            self._work.beat()

    def stop(self) -> None:
        self._order = self._order or "stop"
        if self._work is not None:
            self._work.stop()

    def kill(self) -> None:
        self._order = "kill"
        if self._work is not None:
            self._work.kill()

    async def run(self) -> TaskReport:
        """Never raises for what the agent does: that is in the report."""
        prepared = await prepare(self.task, self._kit, self._writer)
        if isinstance(prepared, TaskError):
            return refused(self.task.epoch, prepared)
        watch = prepared.watch
        before = await watch.before(self.task) if watch is not None else None
        if self._order is not None:
            message = "the agent was ended from outside before it began"
            error = TaskError(code=CODES["stopped"], message=message, failure_class="transient")
            return refused(self.task.epoch, error)
        report = _told(await self._worked(prepared.work), prepared, self._kit.rates)
        if watch is None or before is None:
            return report
        return await watch.after(before, report)

    async def _worked(self, work: Work) -> Judgement:
        self._work = work
        async with asyncio.TaskGroup() as group:
            group.create_task(self._writer.run())
            judgement = await work.run()
            self._writer.close()
        return judgement


def _told(judgement: Judgement, prepared: Prepared, rates: RateTable | None) -> TaskReport:
    """The report, with what is known beside it; a model's record goes with its gate's."""
    report, record = judgement.report, dict(prepared.record)
    if judgement.record:
        record["agent"] = dict(judgement.record)
    usage = report.usage
    if rates is not None and prepared.model is not None:
        usage, record["rates"] = priced(usage, prepared.model, rates)
    is_quota = report.error is not None and report.error.failure_class == "quota"
    return report.model_copy(
        update={
            "usage": usage,
            "provider": prepared.provider if is_quota else None,
            "quota_until": judgement.quota_until,
            "record": record or None,
        }
    )
