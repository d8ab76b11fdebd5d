"""From a task to what will be run for it, behind which gate; or why nothing will be."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from pydantic import JsonValue

from flowrunner.dispatch.adapters.adapter import Endpoint
from flowrunner.dispatch.adapters.judging import Judgement
from flowrunner.dispatch.adapters.launching import (
    Conversation,
    Listeners,
    Place,
    Plan,
    converse,
)
from flowrunner.dispatch.adapters.scribe import Scribe
from flowrunner.dispatch.adapters.table import ADAPTERS
from flowrunner.dispatch.agents import (
    Agent,
    CommandAgent,
    ModelAgent,
    StaticAgent,
    agent_for,
    command_for,
)
from flowrunner.dispatch.gates.gate import OPEN, Gate
from flowrunner.dispatch.gates.policy import Refusal
from flowrunner.dispatch.gates.wall import Wall
from flowrunner.dispatch.gates.watch import TreeWatch
from flowrunner.dispatch.keys import key_of
from flowrunner.dispatch.kit import Kit
from flowrunner.dispatch.outcome import judge
from flowrunner.dispatch.ports import Task
from flowrunner.dispatch.process import AgentProcess, ProcessLimits
from flowrunner.dispatch.scrubbing import Mouth, Scrubber, secrets_of
from flowrunner.dispatch.transcripts import TranscriptWriter
from flowrunner.wire.tasks import TaskError


class Work(Protocol):
    """What is run for a task. `stop` and `kill` may come at any time; cancelling `run` kills."""

    def beat(self) -> None: ...

    def stop(self) -> None: ...

    def kill(self) -> None: ...

    async def run(self) -> Judgement: ...


@dataclass(frozen=True, slots=True)
class Prepared:
    """*record* is what is known of the attempt before it begins; no *watch*: nothing is gated."""

    work: Work
    watch: TreeWatch | None
    record: Mapping[str, JsonValue]
    provider: str
    model: str | None = None


async def prepare(task: Task, kit: Kit, writer: TranscriptWriter) -> Prepared | TaskError:
    """Choose the agent, close the gate in the project, and return what can be run once."""
    agent = agent_for(task, kit.agents)
    if isinstance(agent, TaskError):
        return agent
    if kit.wall is None:
        gate, record, watch = OPEN, None, None
    else:
        closed = await _closed(kit.wall, task, agent)
        if isinstance(closed, TaskError):
            return closed
        gate, record = closed
        watch = TreeWatch(gate, (kit.room, *kit.leave_out), kit.on_change)
    work = _work(task, agent, kit, gate, writer)
    if isinstance(work, TaskError):
        return work
    known = {} if record is None else {"wall": record}
    return Prepared(work, watch, known, provider_of(task, agent), model_of(task, agent))


def provider_of(task: Task, agent: Agent) -> str:
    """Whose quota the task would use up."""
    given = agent.provider if isinstance(agent, ModelAgent) else None
    return given or task.agent


def limits_of(task: Task, limits: ProcessLimits) -> ProcessLimits:
    return replace(
        limits, total_seconds=task.limits.total_seconds, idle_seconds=task.limits.idle_seconds
    )


def model_of(task: Task, agent: Agent) -> str | None:
    """Which model is asked; None where none is."""
    return (task.model or agent.model) if isinstance(agent, ModelAgent) else None


async def _closed(
    wall: Wall, task: Task, agent: Agent
) -> tuple[Gate, dict[str, JsonValue]] | TaskError:
    project = Path(task.project_root)
    if not await asyncio.to_thread(project.is_dir):
        message = f"the agent could not be started: there is no folder {task.project_root}"
        return TaskError(code="agent_not_started", message=message)
    closed = await wall.close(project)
    if not isinstance(closed, Refusal):
        return closed.gate, closed.record()
    if isinstance(agent, StaticAgent):
        # It is this very program, and asks no model: without a gate it is what it says it is.
        return OPEN, {"gate": OPEN.name, "policy": wall.policy, "probe": closed.message}
    return closed.error()


def _work(
    task: Task, agent: Agent, kit: Kit, gate: Gate, writer: TranscriptWriter
) -> Work | TaskError:
    if isinstance(agent, ModelAgent):
        return _conversation(task, agent, kit, gate, writer)
    command = command_for(task, agent, kit.around)
    if isinstance(command, TaskError):
        return command
    limits = limits_of(task, kit.limits)
    own = secrets_of(agent.env) if isinstance(agent, CommandAgent) else ()
    mouth = Mouth(Scrubber(own), writer.feed)
    process = AgentProcess(replace(command, gate=gate), limits, kit.room, mouth.hear)
    return _Program(task.epoch, process, limits, mouth)


class _Program:
    """A command: what it wrote is its answer."""

    def __init__(
        self, epoch: int, process: AgentProcess, limits: ProcessLimits, mouth: Mouth
    ) -> None:
        self._epoch = epoch
        self._process = process
        self._limits = limits
        self._mouth = mouth
        self.beat, self.stop, self.kill = process.beat, process.stop, process.kill

    async def run(self) -> Judgement:
        ended = await self._process.run()
        self._mouth.end()
        tail = self._mouth.scrubber.text(ended.stderr_tail)
        report = judge(self._epoch, replace(ended, stderr_tail=tail), self._limits)
        return Judgement(self._mouth.scrubber.report(report))


def _conversation(
    task: Task, agent: ModelAgent, kit: Kit, gate: Gate, writer: TranscriptWriter
) -> Conversation | TaskError:
    model = model_of(task, agent)
    if model is None:
        message = f"neither the launch nor agent {task.agent!r} names a model"
        hint = "give the agent a model, or launch with one"
        return TaskError(code="model_missing", message=message, hint=hint)
    key = key_of(task.agent, agent, kit.environment)
    if isinstance(key, TaskError):
        return key
    plan = Plan(
        adapter=ADAPTERS[agent.kind],
        endpoint=Endpoint(model, key, agent.base_url, agent.options),
        site=kit.site,
        dialect=agent.dialect,
        gate=gate,
        output_cap=agent.output_cap,
    )
    listeners = Listeners(Scribe(writer.write).take, lambda piece: writer.feed("stderr", piece))
    place = Place(kit.room, limits_of(task, kit.limits))
    return converse(task, plan, kit.around, place, listeners)
