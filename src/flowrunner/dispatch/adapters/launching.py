"""From a task to a conversation with its agent, and from what came of it to a report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeAlias

from flowrunner.dispatch.acp.driving import Drive, Manners
from flowrunner.dispatch.acp.recording import OnPiece, Recorder
from flowrunner.dispatch.acp.session import Opening
from flowrunner.dispatch.acp.turn import AcpTalk, Talk
from flowrunner.dispatch.adapters.adapter import Adapter, Endpoint, Site, Start
from flowrunner.dispatch.adapters.installed import check
from flowrunner.dispatch.adapters.judging import Judgement, judge_turn
from flowrunner.dispatch.adapters.projects import hidden_from, refuse
from flowrunner.dispatch.adapters.streamjson import StreamTalk
from flowrunner.dispatch.agents import OUTPUT_CAP, Surroundings, about
from flowrunner.dispatch.gates.gate import OPEN, Gate
from flowrunner.dispatch.ports import Task
from flowrunner.dispatch.process import OnOutput, ProcessLimits
from flowrunner.dispatch.scrubbing import ScrubbedEars, Scrubber, secrets_in, secrets_within
from flowrunner.dispatch.spawning import AgentCommand
from flowrunner.wire.tasks import TaskError

Dialect: TypeAlias = Literal["acp", "headless"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How an operator wants an agent used, and the gate around it; who chose it has probed it."""

    adapter: Adapter
    endpoint: Endpoint
    site: Site
    dialect: Dialect = "acp"
    gate: Gate = OPEN
    output_cap: int = OUTPUT_CAP
    manners: Manners = field(default_factory=Manners)


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who hears what an agent says while it works."""

    on_piece: OnPiece
    on_stderr: Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Quiet:
    """Keeps the task's key from all who hear of it."""

    scrubber: Scrubber
    ears: ScrubbedEars


class Conversation:
    """One task with one agent; the verbs of an execution's process, and a judgement at the end."""

    def __init__(
        self, task: Task, plan: Plan, drive: Drive, limits: ProcessLimits, quiet: Quiet
    ) -> None:
        self._epoch = task.epoch
        self._plan = plan
        self._drive = drive
        self._limits = limits
        self._quiet = quiet

    def beat(self) -> None:
        self._drive.beat()

    def stop(self) -> None:
        self._drive.stop()

    def kill(self) -> None:
        self._drive.kill()

    async def run(self) -> Judgement:
        """Never raises for what the agent does: that is in the judgement."""
        turn = await self._drive.run()
        self._quiet.ears.end()
        scrubber = self._quiet.scrubber
        # Before it is quoted: where a tail begins, half a key may stand.
        ended = replace(turn.ended, stderr_tail=scrubber.text(turn.ended.stderr_tail))
        turn, now = replace(turn, ended=ended), datetime.now(UTC)
        judged = judge_turn(self._epoch, turn, self._plan.adapter, self._limits, now=now)
        return replace(
            judged, report=scrubber.report(judged.report), record=scrubber.value(judged.record)
        )


def converse(
    task: Task, plan: Plan, around: Surroundings, place: Place, listeners: Listeners
) -> Conversation | TaskError:
    """Return a conversation that can be run once, or why there will be none."""
    headless = plan.dialect == "headless"
    if refusal := check(plan.adapter, plan.site, headless=headless) or _unfit(plan, task):
        return refusal
    endpoint = replace(plan.endpoint, model=task.model or plan.endpoint.model)
    starting = plan.adapter.headless if headless else plan.adapter.start
    if starting is None:
        message = f"{plan.adapter.name} has no headless dialect"
        return TaskError(code="dialect_unknown", message=message)
    start = starting(plan.site, endpoint)
    quiet = _quiet(plan.endpoint, listeners)
    recorder = Recorder(quiet.ears.piece, plan.output_cap, plan.adapter.notices)
    drive = Drive(
        command_of(task, plan, start, around),
        place.limits,
        place.room,
        _talk(task, plan, start, recorder),
        _to(quiet.ears),
        manners=plan.manners,
    )
    return Conversation(task, plan, drive, place.limits, quiet)


@dataclass(frozen=True, slots=True)
class Place:
    """Where private folders are made, and how long an agent may take."""

    room: Path
    limits: ProcessLimits


def command_of(task: Task, plan: Plan, start: Start, around: Surroundings) -> AgentCommand:
    """Return what is started; its environment is made of nothing but what is named here."""
    path = f"{plan.site.node.parent}:{around.path}" if plan.adapter.needs_node else around.path
    hidden = hidden_from(plan.adapter, Path(task.project_root))
    return AgentCommand(
        argv=start.argv,
        env={**around.env(), "PATH": path, **about(task), **start.env},
        cwd=Path(task.project_root),
        stdin=task.input or b"",
        output_cap=0,
        home={".flowrunner": "", **start.home},
        gate=replace(plan.gate, hidden=(*plan.gate.hidden, *hidden)),
    )


def _talk(task: Task, plan: Plan, start: Start, recorder: Recorder) -> Talk:
    if plan.dialect == "headless":
        return StreamTalk(recorder)
    mode = None if plan.gate == OPEN else plan.adapter.gated_mode
    opening = Opening(
        cwd=task.project_root,
        prompt=(task.input or b"").decode("utf-8", errors="replace"),
        mode=mode or start.mode,
        meta=start.meta,
    )
    return AcpTalk(opening, recorder)


def _unfit(plan: Plan, task: Task) -> TaskError | None:
    if plan.adapter.name == "opencode" and plan.endpoint.base_url is None:
        return TaskError(code="endpoint_missing", message="opencode needs an endpoint's address")
    return refuse(plan.adapter, Path(task.project_root), plan.gate)


def _quiet(endpoint: Endpoint, listeners: Listeners) -> Quiet:
    more = (*secrets_in(endpoint.base_url), *secrets_within(endpoint.options))
    scrubber = Scrubber((endpoint.api_key, *more))
    return Quiet(scrubber, ScrubbedEars(scrubber, listeners.on_piece, listeners.on_stderr))


def _to(ears: ScrubbedEars) -> OnOutput:
    def tell(stream: Literal["text", "stderr"], piece: bytes) -> None:
        if stream == "stderr":
            ears.stderr(piece)

    return tell
