"""The calls again, to be awaited: what is not in the signatures is said in `operations`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Literal, Unpack

from flowrunner.client import calls
from flowrunner.client.following import follow_async, watch_async
from flowrunner.client.transport import Address, AsyncTransport
from flowrunner.wire.approvals import Approval, ApprovalPage, DecisionBody, DecisionReply
from flowrunner.wire.comparing import Diff
from flowrunner.wire.control import ControlReply, RetryReply, StopReply
from flowrunner.wire.events import Event
from flowrunner.wire.flows import FlowDetail, FlowGraph, FlowList, ValidateBody, Validation
from flowrunner.wire.graphs import RunGraph
from flowrunner.wire.health import Version
from flowrunner.wire.runs import (
    CancelReply,
    LaunchBody,
    LaunchReply,
    RerunBody,
    Run,
    RunCounts,
    RunPage,
    StepList,
)
from flowrunner.wire.steps import AttemptDetail, AttemptList, StepDetail, TranscriptPage
from flowrunner.wire.workers import WorkerList


class AsyncOperations:
    """As `Operations`, to be awaited."""

    def __init__(self, address: Address, patience_seconds: float) -> None:
        self._transport = AsyncTransport(address, patience_seconds)

    @property
    def server(self) -> str:
        return self._transport.server

    async def launch(
        self,
        flow: str,
        body: LaunchBody | None = None,
        *,
        key: str | None = None,
        wait: float | None = None,
    ) -> LaunchReply:
        return await self._transport.send(calls.launch(flow, body, key, wait))

    async def get_run(self, run: str, *, wait: float | None = None) -> Run:
        return await self._transport.send(calls.get_run(run, wait))

    async def rerun(
        self,
        run: str,
        *,
        input_patch: Mapping[str, Any] | None = None,
        latest: bool = False,
        title: str | None = None,
        key: str | None = None,
    ) -> LaunchReply:
        body = RerunBody(input_patch=dict(input_patch or {}), latest=latest, title=title)
        return await self._transport.send(calls.rerun(run, body, key))

    async def list_runs(
        self,
        *,
        limit: int = 50,
        cursor: str | None = None,
        **which: Unpack[calls.Which],
    ) -> RunPage:
        only = calls.run_filter(which)
        return await self._transport.send(calls.list_runs(only, limit, cursor))

    async def count_runs(self, **which: Unpack[calls.Which]) -> RunCounts:
        only = calls.run_filter(which)
        return await self._transport.send(calls.count_runs(only))

    async def list_steps(
        self,
        run: str,
        *,
        status: Sequence[str] = (),
        group: str | None = None,
        attempt: Literal["latest", "all"] = "latest",
        limit: int = 1000,
        cursor: str | None = None,
    ) -> StepList:
        only = {"status": list(status), "group": group, "attempt": attempt}
        return await self._transport.send(calls.list_steps(run, **only, limit=limit, cursor=cursor))

    async def get_step(self, run: str, step: str) -> StepDetail:
        return await self._transport.send(calls.get_step(run, step))

    async def list_attempts(self, run: str, step: str) -> AttemptList:
        return await self._transport.send(calls.list_attempts(run, step))

    async def get_attempt(self, run: str, step: str, attempt: int) -> AttemptDetail:
        return await self._transport.send(calls.get_attempt(run, step, attempt))

    async def output(self, run: str, step: str, *, attempt: int | None = None) -> str:
        return await self._transport.send(calls.output(run, step, attempt))

    async def transcript(
        self,
        run: str,
        step: str,
        *,
        attempt: int | None = None,
        cursor: int | None = None,
        limit: int = 1000,
    ) -> TranscriptPage:
        where = {"attempt": attempt, "cursor": cursor, "limit": limit}
        return await self._transport.send(calls.transcript(run, step, **where))

    async def cancel_run(self, run: str, reason: str = "") -> CancelReply:
        return await self._transport.send(calls.cancel_run(run, reason))

    async def pause_run(self, run: str, reason: str = "") -> ControlReply:
        return await self._transport.send(calls.control(run, "pause", reason))

    async def resume_run(self, run: str, reason: str = "") -> ControlReply:
        return await self._transport.send(calls.control(run, "resume", reason))

    async def retry_run(
        self, run: str, *, from_step: str | None = None, reason: str = ""
    ) -> RetryReply:
        return await self._transport.send(calls.retry_run(run, from_step, reason))

    async def render_run(self, run: str) -> ControlReply:
        return await self._transport.send(calls.render_run(run))

    async def stop_step(self, run: str, step: str, reason: str = "") -> StopReply:
        return await self._transport.send(calls.stop_step(run, step, reason))

    async def list_approvals(
        self,
        *,
        status: Sequence[str] = ("open",),
        run: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> ApprovalPage:
        only = {"status": list(status), "run": run, "limit": limit, "cursor": cursor}
        return await self._transport.send(calls.list_approvals(**only))

    async def get_approval(self, approval: str) -> Approval:
        return await self._transport.send(calls.get_approval(approval))

    async def decide_approval(self, approval: str, body: DecisionBody) -> DecisionReply:
        return await self._transport.send(calls.decide_approval(approval, body))

    async def report(self, run: str, format: calls.Format = "md") -> str:  # noqa: A002  # the parameter's name
        return await self._transport.send(calls.report(run, format))

    async def graph(self, run: str) -> RunGraph:
        return await self._transport.send(calls.graph(run))

    async def graph_svg(self, run: str, theme: calls.Theme = "light") -> str:
        return await self._transport.send(calls.graph_svg(run, theme))

    async def diff(self, a: str, b: str) -> Diff:
        return await self._transport.send(calls.diff(a, b))

    async def list_flows(self) -> FlowList:
        return await self._transport.send(calls.list_flows())

    async def get_flow(self, name: str) -> FlowDetail:
        return await self._transport.send(calls.get_flow(name))

    async def validate_flow(self, body: ValidateBody) -> Validation:
        return await self._transport.send(calls.validate_flow(body))

    async def flow_graph(self, name: str) -> FlowGraph:
        return await self._transport.send(calls.flow_graph(name))

    async def flow_picture(self, name: str, theme: calls.Theme = "light") -> str:
        return await self._transport.send(calls.flow_picture(name, theme))

    async def list_workers(self) -> WorkerList:
        return await self._transport.send(calls.list_workers())

    async def get_version(self) -> Version:
        return await self._transport.send(calls.get_version())

    def events(
        self, run: str, after: int = 0, *, types: Sequence[str] = (), step: str | None = None
    ) -> AsyncGenerator[Event]:
        path = calls.events_path(run, types, step)
        return follow_async(self._transport, path, after, is_sparse=bool(types or step))

    def all_events(self) -> AsyncGenerator[Event]:
        return watch_async(self._transport, calls.ALL_EVENTS)
