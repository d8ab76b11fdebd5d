"""What routes are given: the service's parts, the run that an id means, who asks."""

from __future__ import annotations

import difflib
from collections.abc import AsyncIterator
from typing import Annotated, Protocol, TypeAlias

from fastapi import Depends, Path, Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.exceptions import RequestValidationError
from fastapi.params import Query as QueryField
from fastapi.routing import APIRoute

from flowrunner.core.model import RunId
from flowrunner.db.events import EventRow
from flowrunner.definitions.library import Library
from flowrunner.service.runs import RunService
from flowrunner.service.tasks import TaskService
from flowrunner.service.views import Views
from flowrunner.settings import Settings


class Follow(Protocol):
    """The live events of a run, as `engine.feed.Feed` gives them."""

    def follow(self, run_id: RunId, after: int = 0) -> AsyncIterator[EventRow]: ...


class Parts(Protocol):
    """What this door needs of the service; `bootstrap.Service` is one."""

    @property
    def settings(self) -> Settings: ...
    @property
    def flows(self) -> Library: ...
    @property
    def runs(self) -> RunService: ...
    @property
    def tasks(self) -> TaskService: ...
    @property
    def views(self) -> Views: ...
    @property
    def feed(self) -> Follow: ...


def _parts(request: Request) -> Parts:
    return request.app.state.parts


def _runs(request: Request) -> RunService:
    return _parts(request).runs


def _tasks(request: Request) -> TaskService:
    return _parts(request).tasks


def _views(request: Request) -> Views:
    return _parts(request).views


def _flows(request: Request) -> Library:
    return _parts(request).flows


def _settings(request: Request) -> Settings:
    return _parts(request).settings


def _principal(request: Request) -> str:
    return str(request.scope["principal"])


Runs: TypeAlias = Annotated[RunService, Depends(_runs)]
Tasks: TypeAlias = Annotated[TaskService, Depends(_tasks)]
Reading: TypeAlias = Annotated[Views, Depends(_views)]
Flows: TypeAlias = Annotated[Library, Depends(_flows)]
Operator: TypeAlias = Annotated[Settings, Depends(_settings)]
Principal: TypeAlias = Annotated[str, Depends(_principal)]


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


AskedRun: TypeAlias = Annotated[RunId, Depends(_run_id)]


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
