"""Whether an agent could run in a project: asked before a run spends anything (F68)."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias
from uuid import UUID

from flowrunner.core.graph import Limits
from flowrunner.dispatch.adapters.installed import check
from flowrunner.dispatch.adapters.table import ADAPTERS
from flowrunner.dispatch.agents import (
    READ_ONLY,
    Agent,
    CommandAgent,
    ModelAgent,
    StaticAgent,
    program_of,
)
from flowrunner.dispatch.execution import Execution
from flowrunner.dispatch.gates.policy import Refusal
from flowrunner.dispatch.keys import key_of
from flowrunner.dispatch.kit import Kit
from flowrunner.dispatch.ports import Task
from flowrunner.wire.tasks import Chunk, ClaimedTask, TaskError, TaskReport

Topic: TypeAlias = Literal["program", "model", "key", "gate", "call"]
CALL_SECONDS = 60.0
_BEAT_SECONDS = 1.0
_PROMPT = "Answer with the one word: ready"
_NOBODY = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. *code* is that of the task's failure it would become."""

    topic: Topic
    is_well: bool
    message: str
    code: str = ""
    hint: str | None = None


async def check_agent(
    name: str, kit: Kit, *, project: Path | None = None, model: str | None = None
) -> list[Check]:
    """Look at everything that agent *name* needs, and at the gate in *project*; ask nobody.

    *model* is what a launch wants instead of the agent's own.
    """
    agent = kit.agents[name]
    found = await asyncio.to_thread(
        lambda: [*_program(agent, kit), *_asking(name, agent, kit, model)]
    )
    if kit.wall is not None and project is not None:
        found.append(await _gate(agent, kit, project))
    return found


async def call_agent(name: str, kit: Kit) -> Check:
    """Have the agent answer with one word in an empty folder: this asks its model, and costs."""
    kit.room.mkdir(0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="call-", dir=kit.room) as folder:
        execution = Execution(_task(name, folder), kit, _forgotten)
        beating = asyncio.create_task(_beat(execution))
        try:
            report = await execution.run()
        finally:
            beating.cancel()
    return _answered(report)


async def _beat(execution: Execution) -> None:
    """As a worker does: an agent whose worker is silent is ended."""
    while True:
        execution.beat()
        await asyncio.sleep(_BEAT_SECONDS)


def _program(agent: Agent, kit: Kit) -> Iterator[Check]:
    match agent:
        case StaticAgent():
            yield Check("program", is_well=True, message="part of flowrunner; asks no model")
        case CommandAgent():
            found = program_of(agent, kit.around)
            yield _refused("program", found) or Check("program", is_well=True, message=str(found))
        case ModelAgent():
            adapter = ADAPTERS[agent.kind]
            refusal = check(adapter, kit.site, headless=agent.dialect == "headless")
            versions = ", ".join(f"{each.name} {each.version}" for each in adapter.packages)
            told = versions or "part of flowrunner"
            yield _refused("program", refusal) or Check("program", is_well=True, message=told)


def _asking(name: str, agent: Agent, kit: Kit, model: str | None) -> Iterator[Check]:
    if not isinstance(agent, ModelAgent):
        return
    chosen = model or agent.model
    where = agent.base_url or "the vendor's own address"
    if chosen is None:
        hint = "give the agent a model, or launch with one"
        yield Check(
            "model", is_well=False, message="none is named", code="model_missing", hint=hint
        )
    else:
        yield Check("model", is_well=True, message=f"{chosen} at {where}")
    key = key_of(name, agent, kit.environment)
    told = "there is one" if agent.has_key else "none, and the endpoint is your own"
    yield _refused("key", key) or Check("key", is_well=True, message=told)


async def _gate(agent: Agent, kit: Kit, project: Path) -> Check:
    assert kit.wall is not None  # noqa: S101  # asked before
    closed = await kit.wall.close(project)
    if not isinstance(closed, Refusal):
        uncovered = ", ".join(sorted(closed.gate.uncovered)) or "nothing"
        return Check("gate", is_well=True, message=f"{closed.gate.name}; not covered: {uncovered}")
    if isinstance(agent, StaticAgent):
        return Check("gate", is_well=True, message=f"none, and none is needed: {closed.message}")
    return Check("gate", is_well=False, message=closed.message, code=closed.code, hint=closed.hint)


def _refused(topic: Topic, found: object) -> Check | None:
    if not isinstance(found, TaskError):
        return None
    return Check(topic, is_well=False, message=found.message, code=found.code, hint=found.hint)


def _answered(report: TaskReport) -> Check:
    usage = report.usage
    spent = f"{usage.input_tokens} + {usage.output_tokens} tokens, {usage.seconds:.1f} s"
    error = report.error
    if error is not None:
        message = f"{error.message} ({spent})"
        return Check("call", is_well=False, message=message, code=error.code, hint=error.hint)
    said = " ".join((report.output or "").split())
    return Check("call", is_well=True, message=f"answered {said[:80]!r} ({spent})")


def _task(name: str, folder: str) -> Task:
    return ClaimedTask(
        task_id=f"{_NOBODY}.0.1",
        run_id=_NOBODY,
        step_no=0,
        attempt=1,
        epoch=1,
        queue="default",
        step_key="check",
        project_root=folder,
        agent=name,
        mode_id=READ_ONLY,
        limits=Limits(total_seconds=CALL_SECONDS),
        input=_PROMPT.encode(),
    )


async def _forgotten(_task: Task, _chunks: Sequence[Chunk]) -> bool:
    return True
