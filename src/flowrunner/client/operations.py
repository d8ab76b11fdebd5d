"""The calls: one method per operation of the REST door, by the same name."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any, Literal, Unpack

from flowrunner.client import calls
from flowrunner.client.following import follow, watch
from flowrunner.client.transport import Address, Transport
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


class Operations:
    """What the server offers, one method each; may raise UnreachableError or a RefusedError.

    Runs are named by id, by 4 or more of its characters, or as "@last"; steps by their key.
    """

    def __init__(self, address: Address, patience_seconds: float) -> None:
        self._transport = Transport(address, patience_seconds)

    @property
    def server(self) -> str:
        return self._transport.server

    def launch(
        self,
        flow: str,
        body: LaunchBody | None = None,
        *,
        key: str | None = None,
        wait: float | None = None,
    ) -> LaunchReply:
        """Start a run. With the same *key* it starts once, whatever is lost on the way.

        *wait*: answer when the run has ended, or after so many seconds (60 at most).
        """
        return self._transport.send(calls.launch(flow, body, key, wait))

    def get_run(self, run: str, *, wait: float | None = None) -> Run:
        """Look at a run; with *wait*, once it has ended, or after so many seconds (60 at most)."""
        return self._transport.send(calls.get_run(run, wait))

    def rerun(
        self,
        run: str,
        *,
        input_patch: Mapping[str, Any] | None = None,
        latest: bool = False,
        title: str | None = None,
        key: str | None = None,
    ) -> LaunchReply:
        """Launch again as *run* was launched; None in *input_patch* takes a field away.

        The new run has the label `rerun_of`. Only one begins however often this is sent.
        """
        body = RerunBody(input_patch=dict(input_patch or {}), latest=latest, title=title)
        return self._transport.send(calls.rerun(run, body, key))

    def list_runs(
        self,
        *,
        limit: int = 50,
        cursor: str | None = None,
        **which: Unpack[calls.Which],
    ) -> RunPage:
        """One page, newest first; go on with its next_cursor."""
        only = calls.run_filter(which)
        return self._transport.send(calls.list_runs(only, limit, cursor))

    def count_runs(self, **which: Unpack[calls.Which]) -> RunCounts:
        only = calls.run_filter(which)
        return self._transport.send(calls.count_runs(only))

    def list_steps(
        self,
        run: str,
        *,
        status: Sequence[str] = (),
        group: str | None = None,
        attempt: Literal["latest", "all"] = "latest",
        limit: int = 1000,
        cursor: str | None = None,
    ) -> StepList:
        """One page of steps. *group*: only the children of that step."""
        only = {"status": list(status), "group": group, "attempt": attempt}
        return self._transport.send(calls.list_steps(run, **only, limit=limit, cursor=cursor))

    def get_step(self, run: str, step: str) -> StepDetail:
        return self._transport.send(calls.get_step(run, step))

    def list_attempts(self, run: str, step: str) -> AttemptList:
        return self._transport.send(calls.list_attempts(run, step))

    def get_attempt(self, run: str, step: str, attempt: int) -> AttemptDetail:
        """One attempt, with the prompt that was sent."""
        return self._transport.send(calls.get_attempt(run, step, attempt))

    def output(self, run: str, step: str, *, attempt: int | None = None) -> str:
        """What a step said, whole: the latest attempt that completed, or *attempt*."""
        return self._transport.send(calls.output(run, step, attempt))

    def transcript(
        self,
        run: str,
        step: str,
        *,
        attempt: int | None = None,
        cursor: int | None = None,
        limit: int = 1000,
    ) -> TranscriptPage:
        """What an agent streamed, also while it works; go on with next_cursor until `ended`."""
        where = {"attempt": attempt, "cursor": cursor, "limit": limit}
        return self._transport.send(calls.transcript(run, step, **where))

    def cancel_run(self, run: str, reason: str = "") -> CancelReply:
        """Stop the run for good. Raises ConflictError when it ended otherwise before."""
        return self._transport.send(calls.cancel_run(run, reason))

    def pause_run(self, run: str, reason: str = "") -> ControlReply:
        """Let nothing new begin; what is at work goes on. Raises ConflictError once it ended."""
        return self._transport.send(calls.control(run, "pause", reason))

    def resume_run(self, run: str, reason: str = "") -> ControlReply:
        """Let a paused run go on. Raises ConflictError once it ended."""
        return self._transport.send(calls.control(run, "resume", reason))

    def retry_run(self, run: str, *, from_step: str | None = None, reason: str = "") -> RetryReply:
        """Begin an ended run anew: from a step on, or all that failed.

        Raises ConflictError (`not-retryable`) while it is live.
        """
        return self._transport.send(calls.retry_run(run, from_step, reason))

    def render_run(self, run: str) -> ControlReply:
        """Render an ended run's report again. Raises ConflictError while it is live."""
        return self._transport.send(calls.render_run(run))

    def stop_step(self, run: str, step: str, reason: str = "") -> StopReply:
        """End one step's work; its `on_fail` says what that means for the run."""
        return self._transport.send(calls.stop_step(run, step, reason))

    def list_approvals(
        self,
        *,
        status: Sequence[str] = ("open",),
        run: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> ApprovalPage:
        """What people are asked, oldest first; go on with next_cursor."""
        only = {"status": list(status), "run": run, "limit": limit, "cursor": cursor}
        return self._transport.send(calls.list_approvals(**only))

    def get_approval(self, approval: str) -> Approval:
        return self._transport.send(calls.get_approval(approval))

    def decide_approval(self, approval: str, body: DecisionBody) -> DecisionReply:
        """Decide by the approval's id. The first decision stands: another raises ConflictError."""
        return self._transport.send(calls.decide_approval(approval, body))

    def report(self, run: str, format: calls.Format = "md") -> str:  # noqa: A002  # the parameter's name
        """An ended run's report as text, in the format asked for."""
        return self._transport.send(calls.report(run, format))

    def graph(self, run: str) -> RunGraph:
        return self._transport.send(calls.graph(run))

    def graph_svg(self, run: str, theme: calls.Theme = "light") -> str:
        return self._transport.send(calls.graph_svg(run, theme))

    def diff(self, a: str, b: str) -> Diff:
        """What changed from run *a* to run *b*: inputs, flow, steps, findings."""
        return self._transport.send(calls.diff(a, b))

    def list_flows(self) -> FlowList:
        return self._transport.send(calls.list_flows())

    def get_flow(self, name: str) -> FlowDetail:
        return self._transport.send(calls.get_flow(name))

    def validate_flow(self, body: ValidateBody) -> Validation:
        return self._transport.send(calls.validate_flow(body))

    def flow_graph(self, name: str) -> FlowGraph:
        return self._transport.send(calls.flow_graph(name))

    def flow_picture(self, name: str, theme: calls.Theme = "light") -> str:
        return self._transport.send(calls.flow_picture(name, theme))

    def list_workers(self) -> WorkerList:
        return self._transport.send(calls.list_workers())

    def get_version(self) -> Version:
        return self._transport.send(calls.get_version())

    def events(
        self, run: str, after: int = 0, *, types: Sequence[str] = (), step: str | None = None
    ) -> Generator[Event]:
        """Follow the run's events to its end, each once and in order, across interruptions.

        *types* (names, or `step.*`) and the key of a *step* leave others out.
        """
        path = calls.events_path(run, types, step)
        return follow(self._transport, path, after, is_sparse=bool(types or step))

    def all_events(self) -> Generator[Event]:
        """Watch every run from now on: run.* and approval.* only; an interruption may lose some."""
        return watch(self._transport, calls.ALL_EVENTS)
