"""One task from its prompt to its report."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from flowrunner.dispatch.agents import (
    DEFAULT_AGENTS,
    CommandAgent,
    StaticAgent,
    Surroundings,
    command_for,
)
from flowrunner.dispatch.outcome import judge, refused
from flowrunner.dispatch.ports import Task
from flowrunner.dispatch.process import AgentProcess, ProcessLimits
from flowrunner.dispatch.spawning import AgentCommand
from flowrunner.dispatch.transcripts import TranscriptLimits, TranscriptWriter
from flowrunner.wire.tasks import Chunk, TaskError, TaskReport

Before: TypeAlias = Callable[[Task], Awaitable[object]]
After: TypeAlias = Callable[[Task, object, TaskReport], Awaitable[TaskReport]]
AppendTo: TypeAlias = Callable[[Task, Sequence[Chunk]], Awaitable[bool]]


async def _nothing(_task: Task) -> object:
    return None


async def _unchanged(_task: Task, _before: object, report: TaskReport) -> TaskReport:
    return report


@dataclass(frozen=True, slots=True)
class Hooks:
    """What is looked at around a task: *after* gets what *before* returned, and may fail it."""

    before: Before = _nothing
    after: After = _unchanged


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    """All that running agents needs on this machine. *room* holds their private folders."""

    around: Surroundings
    room: Path
    agents: Mapping[str, StaticAgent | CommandAgent] = field(default_factory=lambda: DEFAULT_AGENTS)
    limits: ProcessLimits = field(default_factory=ProcessLimits)
    transcripts: TranscriptLimits = field(default_factory=TranscriptLimits)
    hooks: Hooks = Hooks()


class Execution:
    """Runs one task once. `stop` and `kill` may come at any time; cancelling `run` kills."""

    def __init__(self, task: Task, kit: Kit, append: AppendTo) -> None:
        self.task = task
        self._kit = kit
        self._limits = replace(
            kit.limits,
            total_seconds=task.limits.total_seconds,
            idle_seconds=task.limits.idle_seconds,
        )
        self._writer = TranscriptWriter(lambda chunks: append(task, chunks), kit.transcripts)
        self._agent = self._prepared(command_for(task, kit.agents, kit.around))

    def beat(self) -> None:
        if isinstance(self._agent, AgentProcess):
            self._agent.beat()

    def stop(self) -> None:
        if isinstance(self._agent, AgentProcess):
            self._agent.stop()

    def kill(self) -> None:
        if isinstance(self._agent, AgentProcess):
            self._agent.kill()

    async def run(self) -> TaskReport:
        """Never raises for what the agent does: that is in the report."""
        if isinstance(self._agent, TaskError):
            return refused(self.task.epoch, self._agent)
        before = await self._kit.hooks.before(self.task)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._writer.run())
            ended = await self._agent.run()
            self._writer.close()
        report = judge(self.task.epoch, ended, self._limits)
        return await self._kit.hooks.after(self.task, before, report)

    def _prepared(self, command: AgentCommand | TaskError) -> AgentProcess | TaskError:
        if isinstance(command, TaskError):
            return command
        return AgentProcess(command, self._limits, self._kit.room, self._writer.feed)
