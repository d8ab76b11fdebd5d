"""The calls: one method per operation of the REST door, by the same name."""

from __future__ import annotations

import uuid
from collections.abc import Generator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Self, TypeVar
from urllib.parse import quote

from pydantic import BaseModel

from flowrunner.client.following import follow
from flowrunner.client.transport import Transport
from flowrunner.wire.events import Event
from flowrunner.wire.flows import FlowDetail, FlowList
from flowrunner.wire.health import Version
from flowrunner.wire.runs import (
    CancelBody,
    CancelReply,
    LaunchBody,
    LaunchReply,
    Run,
    RunCounts,
    RunPage,
    StepList,
)
from flowrunner.wire.workers import WorkerList

M = TypeVar("M", bound=BaseModel)

_API = "/api/v1"


class Client:
    """Talks to one server. Every call may raise UnreachableError or a RefusedError.

    *patience_seconds*: how long a call is tried again while the server is away. All of them may
    be repeated: a launch carries an Idempotency-Key. Runs are named by id, by 4 or more of its
    characters, or as "@last".
    """

    def __init__(
        self,
        server: str,
        *,
        token: str | None = None,
        patience_seconds: float = 10.0,
        name: str = "client",
    ) -> None:
        self._transport = Transport(server, token, name, patience_seconds)

    @property
    def server(self) -> str:
        return self._transport.server

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._transport.close()

    def launch(
        self, flow: str, body: LaunchBody | None = None, *, key: str | None = None
    ) -> LaunchReply:
        """Start a run. With the same *key* it starts once, whatever is lost on the way."""
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        path = f"{_API}/flows/{_part(flow)}/runs"
        return self._post(path, body or LaunchBody(), LaunchReply, headers)

    def get_run(self, run: str) -> Run:
        return self._get(_run(run), Run)

    def list_runs(
        self,
        *,
        flow: str | None = None,
        status: Sequence[str] = (),
        labels: Mapping[str, str] | None = None,
        since: datetime | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> RunPage:
        """One page, newest first; go on with its next_cursor."""
        only = _filter(flow, status, labels, since)
        return self._get(f"{_API}/runs", RunPage, {**only, "limit": limit, "cursor": cursor})

    def count_runs(
        self,
        *,
        flow: str | None = None,
        status: Sequence[str] = (),
        labels: Mapping[str, str] | None = None,
        since: datetime | None = None,
    ) -> RunCounts:
        return self._get(f"{_API}/runs/counts", RunCounts, _filter(flow, status, labels, since))

    def list_steps(self, run: str) -> StepList:
        return self._get(f"{_run(run)}/steps", StepList)

    def cancel_run(self, run: str, reason: str = "") -> CancelReply:
        """Stop the run for good. Raises ConflictError when it ended otherwise before."""
        return self._post(f"{_run(run)}/cancel", CancelBody(reason=reason), CancelReply)

    def report(self, run: str, format: Literal["md", "json", "sarif"] = "md") -> str:  # noqa: A002  # the parameter's name
        """A finished run's report as text, in the format asked for."""
        given = {"format": format}
        return self._transport.send("GET", f"{_run(run)}/report", params=given).text

    def events(self, run: str, after: int = 0) -> Generator[Event]:
        """Follow the run's events to its end, each once and in order, across interruptions."""
        return follow(self._transport, f"{_run(run)}/events", after)

    def list_flows(self) -> FlowList:
        return self._get(f"{_API}/flows", FlowList)

    def get_flow(self, name: str) -> FlowDetail:
        return self._get(f"{_API}/flows/{_part(name)}", FlowDetail)

    def list_workers(self) -> WorkerList:
        return self._get(f"{_API}/workers", WorkerList)

    def get_version(self) -> Version:
        return self._get("/version", Version)

    def _get(self, path: str, model: type[M], parameters: Mapping[str, Any] | None = None) -> M:
        given = {key: value for key, value in (parameters or {}).items() if value is not None}
        return model.model_validate_json(self._transport.send("GET", path, params=given).content)

    def _post(
        self, path: str, body: BaseModel, model: type[M], headers: Mapping[str, str] | None = None
    ) -> M:
        given = {"Content-Type": "application/json", **(headers or {})}
        text = body.model_dump_json(exclude_unset=True)
        response = self._transport.send("POST", path, content=text, headers=given)
        return model.model_validate_json(response.content)


def _filter(
    flow: str | None,
    status: Sequence[str],
    labels: Mapping[str, str] | None,
    since: datetime | None,
) -> dict[str, Any]:
    return {
        "flow": flow,
        "status": list(status),
        "label": [f"{name}:{value}" for name, value in (labels or {}).items()],
        "since": since.isoformat() if since else None,
    }


def _run(run: str) -> str:
    return f"{_API}/runs/{_part(run)}"


def _part(text: str) -> str:
    return quote(text, safe="@")
