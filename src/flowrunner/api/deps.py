"""What routes are given: the service's parts, the run that an id means, who asks."""

from __future__ import annotations

import difflib
from collections.abc import AsyncIterator
from typing import Annotated, Protocol, TypeAlias

from fastapi import Depends, Header, Path, Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.exceptions import RequestValidationError
from fastapi.params import Query as QueryField
from fastapi.routing import APIRoute

from flowrunner.api.guard import LOCAL
from flowrunner.core.model import RunId
from flowrunner.db.events import EventRow
from flowrunner.db.pool import Pool
from flowrunner.definitions.library import Library
from flowrunner.service.approvals import ApprovalService
from flowrunner.service.comparing import Comparing
from flowrunner.service.control import ControlService
from flowrunner.service.graphing import Graphing
from flowrunner.service.runs import RunService
from flowrunner.service.steps import StepViews
from flowrunner.service.tasks import TaskService
from flowrunner.service.views import Views
from flowrunner.settings import Settings
from flowrunner.wire.control import ACTOR
from flowrunner.wire.steps import key_of_path


class Follow(Protocol):
    """The live events of a run, or of all, as `engine.feed.Feed` gives them."""

    def follow(self, run_id: RunId, after: int = 0) -> AsyncIterator[EventRow]: ...
    def follow_all(self) -> AsyncIterator[EventRow]: ...


class Parts(Protocol):
    """What this door needs of the service; `bootstrap.Service` is one."""

    @property
    def settings(self) -> Settings: ...
    @property
    def flows(self) -> Library: ...
    @property
    def runs(self) -> RunService: ...
    @property
    def control(self) -> ControlService: ...
    @property
    def approvals(self) -> ApprovalService: ...
    @property
    def tasks(self) -> TaskService: ...
    @property
    def views(self) -> Views: ...
    @property
    def steps(self) -> StepViews: ...
    @property
    def comparing(self) -> Comparing: ...
    @property
    def graphing(self) -> Graphing: ...
    @property
    def feed(self) -> Follow: ...
    @property
    def pool(self) -> Pool: ...


def _parts(request: Request) -> Parts:
    return request.app.state.parts


def _runs(request: Request) -> RunService:
    return _parts(request).runs


def _control(request: Request) -> ControlService:
    return _parts(request).control


def _approvals(request: Request) -> ApprovalService:
    return _parts(request).approvals


def _steps(request: Request) -> StepViews:
    return _parts(request).steps


def _comparing(request: Request) -> Comparing:
    return _parts(request).comparing


def _graphing(request: Request) -> Graphing:
    return _parts(request).graphing


def _tasks(request: Request) -> TaskService:
    return _parts(request).tasks


def _views(request: Request) -> Views:
    return _parts(request).views


def _flows(request: Request) -> Library:
    return _parts(request).flows


def _settings(request: Request) -> Settings:
    return _parts(request).settings


def _actor(
    request: Request,
    x_flowrunner_actor: Annotated[
        str | None, Header(pattern=ACTOR, description="Who acts, for the record.")
    ] = None,
) -> str:
    """Name who acts: on this machine whoever it says it is, else its token, and who it says.

    A token proves who holds it and nothing else: what is said beside it stands after a slash.
    """
    principal = str(request.scope["principal"])
    if x_flowrunner_actor is None:
        return principal
    return x_flowrunner_actor if principal == LOCAL else f"{principal}/{x_flowrunner_actor}"


Runs: TypeAlias = Annotated[RunService, Depends(_runs)]
Control: TypeAlias = Annotated[ControlService, Depends(_control)]
Approvals: TypeAlias = Annotated[ApprovalService, Depends(_approvals)]
Steps: TypeAlias = Annotated[StepViews, Depends(_steps)]
Comparisons: TypeAlias = Annotated[Comparing, Depends(_comparing)]
Graphs: TypeAlias = Annotated[Graphing, Depends(_graphing)]
Tasks: TypeAlias = Annotated[TaskService, Depends(_tasks)]
Reading: TypeAlias = Annotated[Views, Depends(_views)]
Flows: TypeAlias = Annotated[Library, Depends(_flows)]
Operator: TypeAlias = Annotated[Settings, Depends(_settings)]
Actor: TypeAlias = Annotated[str, Depends(_actor)]


async def _run_id(
    runs: Runs,
    run_id: Annotated[
        str,
        Path(
            description="An id, 4 or more characters of its beginning or end, @last or @-1.",
            max_length=64,
        ),
    ],
) -> RunId:
    return await runs.resolve(run_id)


def _step_key(
    key: Annotated[
        str, Path(description="A step's key, with `/` as `~1` and `~` as `~0`.", max_length=400)
    ],
) -> str:
    return key_of_path(key)


AskedRun: TypeAlias = Annotated[RunId, Depends(_run_id)]
AskedStep: TypeAlias = Annotated[str, Depends(_step_key)]


def refuse_unknown_parameters(request: Request) -> None:
    """A misspelt filter must not silently filter nothing (P11)."""
    route = request.scope["route"]
    assert isinstance(route, APIRoute)  # noqa: S101  # this is a dependency of our routes only
    flat = get_flat_params(route.dependant)
    known = sorted(field.alias for field in flat if isinstance(field.field_info, QueryField))
    unknown = sorted(set(request.query_params) - set(known))
    if unknown:
        raise RequestValidationError([_unknown(name, known) for name in unknown])


def _unknown(name: str, known: list[str]) -> dict[str, object]:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean '{close[0]}'?" if close else f"known: {', '.join(known) or 'none'}"
    message = f"there is no parameter '{name}'"
    return {"type": "unknown_parameter", "loc": ("query", name), "msg": message, "hint": hint}
