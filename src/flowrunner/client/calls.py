"""Every operation of the REST door as a value: what to send, and how to read the answer.

Both clients are these calls, sent; neither knows a path.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Generic, Literal, TypeAlias, TypedDict, TypeVar
from urllib.parse import quote, urlencode

from pydantic import BaseModel

from flowrunner.wire.approvals import Approval, ApprovalPage, DecisionBody, DecisionReply
from flowrunner.wire.comparing import Diff
from flowrunner.wire.control import ControlReply, ReasonBody, RetryBody, RetryReply, StopReply
from flowrunner.wire.flows import FlowDetail, FlowGraph, FlowList, ValidateBody, Validation
from flowrunner.wire.graphs import RunGraph
from flowrunner.wire.health import Version
from flowrunner.wire.runs import (
    CancelBody,
    CancelReply,
    LaunchBody,
    LaunchReply,
    RerunBody,
    Run,
    RunCounts,
    RunPage,
    StepList,
)
from flowrunner.wire.steps import (
    AttemptDetail,
    AttemptList,
    StepDetail,
    TranscriptPage,
    path_of_key,
)
from flowrunner.wire.workers import WorkerList

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

Format: TypeAlias = Literal["md", "json", "sarif", "html"]
Theme: TypeAlias = Literal["light", "dark"]

SECONDS = 30.0
_PROBE_SECONDS = 5.0
_API = "/api/v1"


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request that may be repeated, and what its answer means. *wait*: how long it may take."""

    method: str
    path: str
    read: Callable[[bytes], T]
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: str | None = None
    wait: float = 0.0
    seconds: float = SECONDS

    def options(self) -> dict[str, Any]:
        """What the HTTP library takes beside method and path."""
        given = {key: value for key, value in self.parameters.items() if value is not None}
        told = {"params": given, "headers": dict(self.headers), "timeout": self.seconds + self.wait}
        if self.body is None:
            return told
        headers = {"Content-Type": "application/json", **self.headers}
        return {**told, "headers": headers, "content": self.body}


def launch(flow: str, body: LaunchBody | None, key: str | None, wait: float | None) -> Call[Any]:
    """Make a launch that starts one run, however often it is sent."""
    headers = {"Idempotency-Key": key or str(uuid.uuid4()), **_prefer(wait)}
    path = f"{_API}/flows/{_part(flow)}/runs"
    return _post(path, body or LaunchBody(), LaunchReply, headers, wait)


def rerun(run: str, body: RerunBody, key: str | None) -> Call[LaunchReply]:
    headers = {"Idempotency-Key": key or str(uuid.uuid4())}
    return _post(f"{_run(run)}/rerun", body, LaunchReply, headers)


def get_run(run: str, wait: float | None) -> Call[Run]:
    return _get(_run(run), Run, headers=_prefer(wait), wait=wait)


def list_runs(only: Mapping[str, Any], limit: int, cursor: str | None) -> Call[RunPage]:
    return _get(f"{_API}/runs", RunPage, {**only, "limit": limit, "cursor": cursor})


def count_runs(only: Mapping[str, Any]) -> Call[RunCounts]:
    return _get(f"{_API}/runs/counts", RunCounts, only)


def list_steps(run: str, **only: Any) -> Call[StepList]:
    return _get(f"{_run(run)}/steps", StepList, only)


def get_step(run: str, step: str) -> Call[StepDetail]:
    return _get(_step(run, step), StepDetail)


def list_attempts(run: str, step: str) -> Call[AttemptList]:
    return _get(f"{_step(run, step)}/attempts", AttemptList)


def get_attempt(run: str, step: str, attempt: int) -> Call[AttemptDetail]:
    return _get(f"{_step(run, step)}/attempts/{attempt}", AttemptDetail)


def output(run: str, step: str, attempt: int | None) -> Call[str]:
    return Call("GET", f"{_step(run, step)}/output", _text, {"attempt": attempt})


def transcript(run: str, step: str, **where: Any) -> Call[TranscriptPage]:
    return _get(f"{_step(run, step)}/transcript", TranscriptPage, where)


def cancel_run(run: str, reason: str) -> Call[CancelReply]:
    return _post(f"{_run(run)}/cancel", CancelBody(reason=reason), CancelReply)


def control(run: str, verb: Literal["pause", "resume"], reason: str) -> Call[ControlReply]:
    return _post(f"{_run(run)}/{verb}", ReasonBody(reason=reason), ControlReply)


def render_run(run: str) -> Call[ControlReply]:
    return _post(f"{_run(run)}/render", ReasonBody(), ControlReply)


def retry_run(run: str, from_step: str | None, reason: str) -> Call[RetryReply]:
    body = RetryBody(from_step=from_step, reason=reason)
    return _post(f"{_run(run)}/retry", body, RetryReply)


def stop_step(run: str, step: str, reason: str) -> Call[StopReply]:
    return _post(f"{_step(run, step)}/stop", ReasonBody(reason=reason), StopReply)


def list_approvals(**only: Any) -> Call[ApprovalPage]:
    return _get(f"{_API}/approvals", ApprovalPage, only)


def get_approval(approval: str) -> Call[Approval]:
    return _get(f"{_API}/approvals/{_part(approval)}", Approval)


def decide_approval(approval: str, body: DecisionBody) -> Call[DecisionReply]:
    return _post(f"{_API}/approvals/{_part(approval)}", body, DecisionReply)


def report(run: str, format: Format) -> Call[str]:  # noqa: A002  # the parameter's name
    return Call("GET", f"{_run(run)}/report", _text, {"format": format})


def graph(run: str) -> Call[RunGraph]:
    return _get(f"{_run(run)}/graph", RunGraph)


def graph_svg(run: str, theme: Theme) -> Call[str]:
    return Call("GET", f"{_run(run)}/graph.svg", _text, {"theme": theme})


def diff(a: str, b: str) -> Call[Diff]:
    return _get(f"{_API}/diff", Diff, {"a": a, "b": b})


def list_flows() -> Call[FlowList]:
    return _get(f"{_API}/flows", FlowList)


def get_flow(name: str) -> Call[FlowDetail]:
    return _get(f"{_API}/flows/{_part(name)}", FlowDetail)


def validate_flow(body: ValidateBody) -> Call[Validation]:
    return _post(f"{_API}/flows/validate", body, Validation)


def flow_graph(name: str) -> Call[FlowGraph]:
    return _get(f"{_API}/flows/{_part(name)}/graph", FlowGraph)


def flow_picture(name: str, theme: Theme) -> Call[str]:
    return Call("GET", f"{_API}/flows/{_part(name)}/graph.svg", _text, {"theme": theme})


def list_workers() -> Call[WorkerList]:
    return _get(f"{_API}/workers", WorkerList)


def get_version() -> Call[Version]:
    """Ask who is there: no work for a server, so one that says nothing soon is stuck."""
    return replace(_get("/version", Version), seconds=_PROBE_SECONDS)


def events_path(run: str, types: Sequence[str], step: str | None) -> str:
    told = [*(("types", each) for each in types), *([("step", step)] if step else [])]
    return f"{_run(run)}/events" + (f"?{urlencode(told)}" if told else "")


ALL_EVENTS = f"{_API}/events"


class Which(TypedDict, total=False):
    """Which runs: *q* is part of the title; *since* is inclusive, *until* is not."""

    flow: str | None
    status: Sequence[str]
    labels: Mapping[str, str] | None
    q: str | None
    launched_by: str | None
    since: datetime | None
    until: datetime | None
    waiting: bool | None


def run_filter(only: Which) -> dict[str, Any]:
    """Make what lists and counts are narrowed by."""
    told: dict[str, Any] = dict(only)
    labels: Mapping[str, str] = told.pop("labels", None) or {}
    label = [f"{name}:{value}" for name, value in labels.items()]
    times = {name: at.isoformat() for name, at in told.items() if isinstance(at, datetime)}
    return {**told, **times, "label": label}


def _get(
    path: str,
    model: type[M],
    parameters: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    wait: float | None = None,
) -> Call[M]:
    read = model.model_validate_json
    return Call("GET", path, read, parameters or {}, headers or {}, wait=wait or 0.0)


def _post(
    path: str,
    body: BaseModel,
    model: type[M],
    headers: Mapping[str, str] | None = None,
    wait: float | None = None,
) -> Call[M]:
    text = body.model_dump_json(exclude_unset=True)
    read = model.model_validate_json
    return Call("POST", path, read, {}, headers or {}, text, wait or 0.0)


def _text(content: bytes) -> str:
    return content.decode()


def _prefer(wait: float | None) -> dict[str, str]:
    return {} if wait is None else {"Prefer": f"wait={int(wait)}"}


def _run(run: str) -> str:
    return f"{_API}/runs/{_part(run)}"


def _step(run: str, step: str) -> str:
    return f"{_run(run)}/steps/{_part(path_of_key(step))}"


def _part(text: str) -> str:
    return quote(text, safe="@")
