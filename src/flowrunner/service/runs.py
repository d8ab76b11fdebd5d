"""Use cases on runs: launch, cancel, and finding one by what people type."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import structlog

from flowrunner.core import inputs as inp
from flowrunner.core.decision import Verdict
from flowrunner.core.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    Problem,
    UnavailableError,
)
from flowrunner.core.model import RunId, RunStatus
from flowrunner.db.acts import find_last_act
from flowrunner.db.changes import TaskContext
from flowrunner.db.definitions import ensure_definition
from flowrunner.db.launch import LaunchVerdict, NewRun
from flowrunner.db.lookup import RunHead
from flowrunner.db.payloads import ref_of
from flowrunner.db.pool import AWAY, Pool
from flowrunner.db.projects import ProjectRow, ensure_project
from flowrunner.db.room import Room
from flowrunner.db.runs import RunMeta
from flowrunner.definitions.context import Project
from flowrunner.definitions.definition import Definition
from flowrunner.definitions.library import Library
from flowrunner.definitions.manifest import LaunchPlan, plan_launch
from flowrunner.definitions.pinned import stored_form
from flowrunner.engine import threads
from flowrunner.engine.launching import Beginning, Launcher
from flowrunner.engine.residents import Residents
from flowrunner.service.control import ended, tell_live
from flowrunner.service.finding import RunFinder, uuid7
from flowrunner.service.preflight import Preflight
from flowrunner.settings import Settings

log = structlog.stdlib.get_logger()

# Gates and `choose_band` may look at the tree with git; a launch waits for them.
_GATE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class LaunchRequest:
    """What a caller asks for; everything but the input has a default."""

    input: Mapping[str, Any] = field(default_factory=dict[str, Any])
    band: str | None = None
    project_root: Path | None = None
    model: str | None = None
    agent: str | None = None
    title: str = ""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    launched_by: str = ""
    trigger: str = "api"
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class Launched:
    run_id: RunId
    status: RunStatus
    replayed: bool


@dataclass(frozen=True, slots=True)
class Cancelled:
    """*was_live* is false when the run had been cancelled before, by *actor*."""

    run_id: RunId
    status: RunStatus
    was_live: bool
    actor: str
    at: datetime | None


class RunService:
    """One call, one transaction; each may be repeated as its docstring says."""

    def __init__(
        self,
        pool: Pool,
        library: Library,
        launcher: Launcher,
        residents: Residents,
        settings: Settings,
        *,
        room: Room,
    ) -> None:
        self._pool = pool
        self._library = library
        self._launcher = launcher
        self._residents = residents
        self._settings = settings
        self._room = room
        self._definitions: dict[str, int] = {}
        self._projects: dict[Path, ProjectRow] = {}
        self._finder = RunFinder(pool)
        self.preflight = Preflight(pool)

    async def launch(self, flow: str, request: LaunchRequest) -> Launched:
        """Persist the run whole, before anything acts on it, and start it (R2-01..R2-11).

        Safe to repeat with an idempotency key; the same key with another body is a ConflictError.
        """
        definition = self._library.get(flow)
        project = await self._project(request.project_root)
        agent = self._agent(request)
        where = Project(project.id, project.name, Path(project.root))
        plan = await _plan(definition, request, where)
        begun = await self._begin(definition, request, plan, project, agent)
        await self.preflight.look(begun.new)
        try:
            verdict = await self._launcher.launch(begun)
        except AWAY as error:
            verdict = await self._read_back(begun, error)
        if verdict.replayed:
            return await self._replayed(verdict, begun, request)
        run_id = begun.new.run_id
        log.info("run.launched", run_id=str(run_id), flow=flow, band=plan.band)
        return Launched(run_id, RunStatus.RUNNING, replayed=False)

    async def cancel(self, run_id: RunId, reason: str, actor: str) -> Cancelled:
        """Stop the run now and for good; its agents are stopped within a second (P12).

        Safe to repeat. Raises ConflictError when the run ended otherwise before.
        """
        asked = inp.CancelRequested(reason, actor)
        verdict = await tell_live(self._residents, self._finder, run_id, asked)
        head = await self._finder.head(run_id)
        if verdict is not Verdict.ACCEPTED and head.status is not RunStatus.CANCELLED:
            raise ended(head, None, "could be cancelled")
        async with self._pool.connection() as conn:
            act = await find_last_act(conn, run_id, ("run.cancelled",))
        was_live = verdict is Verdict.ACCEPTED
        by = actor if act is None else act.actor
        return Cancelled(run_id, RunStatus.CANCELLED, was_live, by, head.finished_at)

    async def head(self, run_id: RunId) -> RunHead:
        """Raises NotFoundError for an unknown run."""
        return await self._finder.head(run_id)

    async def resolve(self, text: str) -> RunId:
        """See `RunFinder.resolve`."""
        return await self._finder.resolve(text)

    async def _project(self, root: Path | None) -> ProjectRow:
        folder = root if root is not None else Path.cwd()
        problem = _root_problem(folder)
        if problem is not None:
            raise InvalidInputError("the project cannot be used", [problem])
        folder = folder.resolve()
        known = self._projects.get(folder)
        if known is None:
            async with self._pool.connection() as conn:
                known = self._projects[folder] = await ensure_project(conn, folder)
        return known

    def _agent(self, request: LaunchRequest) -> str:
        agent = request.agent or self._settings.agent
        if agent not in self._settings.agent_names():
            known = "known: " + ", ".join(self._settings.agent_names())
            problem = Problem(
                "unknown-agent", f"there is no agent '{agent}'", pointer="/agent", hint=known
            )
            raise InvalidInputError("the launch cannot be accepted", [problem])
        return agent

    async def _begin(
        self,
        definition: Definition,
        request: LaunchRequest,
        plan: LaunchPlan,
        project: ProjectRow,
        agent: str,
    ) -> Beginning:
        body = json.dumps(plan.input_json, ensure_ascii=False, sort_keys=True).encode()
        model = (request.model or "").strip() or project.default_model or self._settings.model
        context = TaskContext(project.id, project.root, agent, model)
        key = request.idempotency_key
        new = NewRun(
            run_id=RunId(uuid7()),
            context=context,
            definition_id=await self._definition_id(definition),
            flow=definition.name,
            band=plan.band,
            input_ref=ref_of(body),
            nonce=secrets.token_hex(8),
            title=request.title,
            labels=request.labels,
            launched_by=request.launched_by,
            trigger=request.trigger,
            idempotency_key=key,
            request_hash=_fingerprint(definition.name, request) if key else None,
        )
        meta = _meta(new, project, definition.hash)
        excluded = tuple(plan.excluded.items())
        launched = inp.Launched(new.flow, new.band, definition.hash, excluded)
        return Beginning(new, meta, definition.graph, launched, body)

    async def _definition_id(self, definition: Definition) -> int:
        known = self._definitions.get(definition.hash)
        if known is None:
            async with self._pool.connection() as conn:
                known = await ensure_definition(
                    conn,
                    definition.name,
                    definition.hash,
                    definition.graph_json,
                    stored_form(definition),
                )
            self._definitions[definition.hash] = known
        return known

    async def _read_back(self, begun: Beginning, error: Exception) -> LaunchVerdict:
        """The launch's answer was lost: the run's id is ours, so asking for it settles it (P3)."""
        run_id = begun.new.run_id
        try:
            head = await self._finder.head(run_id)
        except NotFoundError:
            log.warning("launch.not_written", run_id=str(run_id), error=str(error).strip())
            why = self._room.failed(error)
            raise UnavailableError(f"the run was not launched: {why}") from error
        except AWAY:
            hint = "launch again with the same Idempotency-Key: it cannot start twice"
            raise UnavailableError("the database is away; the run may exist", hint=hint) from error
        # Its actor was never told: the first input, or the stall detector, takes the run up.
        self._residents.nudge(run_id, inp.StallFound("the launch's answer was lost"))
        return LaunchVerdict(head.run_id, None, replayed=False)

    async def _replayed(
        self, verdict: LaunchVerdict, begun: Beginning, request: LaunchRequest
    ) -> Launched:
        if verdict.request_hash != begun.new.request_hash:
            hint = "use a new key for another request"
            message = "this Idempotency-Key was used for another request"
            raise IdempotencyMismatchError(message, hint=hint, key=request.idempotency_key)
        head = await self._finder.head(verdict.run_id)
        return Launched(head.run_id, head.status, replayed=True)


class IdempotencyMismatchError(ConflictError):
    code = "idempotency-mismatch"


async def _plan(definition: Definition, request: LaunchRequest, project: Project) -> LaunchPlan:
    what = f"gates of {definition.name}"
    try:
        return await threads.call(
            what,
            lambda: plan_launch(definition, request.input, request.band, project),
            _GATE_SECONDS,
        )
    except threads.HangsError as error:
        raise UnavailableError(f"the {error}") from error


def _meta(new: NewRun, project: ProjectRow, definition_hash: str) -> RunMeta:
    """What the engine will read of the run when it is loaded; now nothing has to be read."""
    return RunMeta(
        run_id=new.run_id,
        flow=new.flow,
        band=new.band,
        context=new.context,
        project_name=project.name,
        input_ref=new.input_ref,
        nonce=new.nonce,
        definition_id=new.definition_id,
        definition_hash=definition_hash,
    )


def _fingerprint(flow: str, request: LaunchRequest) -> bytes:
    root = None if request.project_root is None else str(request.project_root)
    told = [flow, dict(request.input), request.band, root, request.model, request.agent]
    told += [request.title, dict(request.labels)]
    return sha256(json.dumps(told, sort_keys=True, ensure_ascii=False).encode()).digest()


def _root_problem(folder: Path) -> Problem | None:
    if not folder.is_dir():
        return Problem("no-such-folder", f"'{folder}' is no folder", pointer="/project")
    if "\0" in str(folder) or not str(folder.resolve()).isprintable():
        return Problem(
            "bad-folder-name", f"{str(folder)!r} cannot be a project", pointer="/project"
        )
    return None
