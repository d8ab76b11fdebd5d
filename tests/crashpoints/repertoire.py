"""What is played: one small run of each shape that the product knows."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
from typing import Any

from crashpoints.shapes import Act, Look, Shape, failed, said
from fixtures.libraries import a_flow, a_library, agent, code
from flowrunner.bootstrap.service import Service
from flowrunner.core.model import RunId
from flowrunner.definitions.context import Context
from flowrunner.definitions.flow import Approval, Each, Flow, Repeat, Retry, Step
from flowrunner.dispatch.ports import Task
from flowrunner.wire.approvals import DecisionBody
from flowrunner.wire.tasks import TaskReport

ANN = "ann"
SOON = 0.02
SLOW = 0.04


def sequence(name: str = "sequence") -> Flow:
    return a_flow(agent("a"), agent("b", "a"), code("c", "b"), name=name)


def chain(name: str) -> Flow:
    return a_flow(agent("a"), agent("b", "a"), name=name)


class Inbox(Shape):
    """The same, but results are left in the database for any replica to read."""

    inbox = True


def slow() -> Flow:
    """Prompts and reports take longer than a commit waits for them: each is one of its own."""

    def prompt(_ctx: Context) -> str:
        Event().wait(SLOW)
        return "think"

    return a_flow(agent("a", run=prompt), agent("b", "a", run=prompt), name="slow")


def fan() -> Flow:
    middle = [agent(key, "a") for key in ("b", "c", "d")]
    return a_flow(agent("a"), *middle, agent("e", "b", "c", "d"), name="fan")


def members() -> Flow:
    each = Each("list", parallel=2)
    return a_flow(
        code("list", run=lambda _ctx: ["x", "y", "z"]),
        agent("look", "list", run=lambda ctx: f"look at {ctx.item}", each=each),
        code("join", "look", run=lambda ctx: len(_list(ctx, "look"))),
        name="map",
    )


def quorum() -> Flow:
    each = Each(lambda _ctx: ["x", "y", "z"], key=str, quorum=2)
    return a_flow(agent("look", run=lambda ctx: str(ctx.item), each=each), name="quorum")


class Quorum(Shape):
    """One member fails, and the others are enough."""

    async def answer(self, task: Task) -> TaskReport:
        return failed(task) if task.step_key == "look[y]" else said(task)


def loop() -> Flow:
    polish = agent(
        "polish",
        run=lambda ctx: f"polish {ctx.iteration}",
        repeat=Repeat(lambda ctx: ctx.iteration == 2, at_most=3),
    )
    return a_flow(polish, code("after", "polish"), name="loop")


def approval(name: str, on_reject: Any = "stop") -> Flow:
    asked = Approval(on_reject=on_reject, redo_from="a" if on_reject == "redo" else None)
    ask = Step("ask", kind="approval", needs=("a",), run="may it be?", approval=asked)
    return a_flow(agent("a"), ask, agent("b", "ask"), name=name)


class Approving(Shape):
    """Somebody decides what is open."""

    def steer(self, seen: Look, service: Service, run_id: RunId) -> Act | None:
        if not seen.open:
            return None
        mine = [each for each in seen.open if each.startswith(str(run_id))]
        body = DecisionBody(decision=self.decision(seen))
        return service.approvals.decide(mine[0], body, ANN)

    def decision(self, seen: Look) -> Any:
        return "approve" if seen.status == "running" else "reject"


class Redoing(Approving):
    """The first answer is no: the work before is done again, and then it is yes."""

    def decision(self, seen: Look) -> Any:
        return "approve" if "approval.decided" in seen.happened else "reject"


def expiring() -> Flow:
    asked = Approval(expires=SOON, on_expiry="approve")
    ask = Step("ask", kind="approval", run="may it be?", approval=asked)
    return a_flow(ask, agent("b", "ask"), name="expiry")


def hanging(name: str, **options: Any) -> Flow:
    return a_flow(agent("a"), agent("b", "a"), agent("c", "a"), name=name, **options)


class Cancelling(Shape):
    """Two agents are at work and do not end when somebody cancels the run."""

    is_exact = False
    may_refuse = True

    async def answer(self, task: Task) -> TaskReport:
        if task.step_key != "a":
            await self.has_happened("run.cancelled")
        return said(task)

    def steer(self, seen: Look, service: Service, run_id: RunId) -> Act | None:
        at_work = seen.steps.get("b") == seen.steps.get("c") == "running"
        return service.runs.cancel(run_id, "enough", ANN) if at_work else None


class Stopping(Shape):
    """Somebody stops one of two steps at work, which the flow tolerates."""

    is_exact = False
    may_refuse = True

    async def answer(self, task: Task) -> TaskReport:
        if task.step_key == "b":
            await self.has_happened("step.failed")
        return said(task)

    def steer(self, seen: Look, service: Service, run_id: RunId) -> Act | None:
        at_work = seen.steps.get("b") == "running"
        return service.control.stop_step(run_id, "b", "enough", ANN) if at_work else None


class Pausing(Shape):
    """Paused while an agent works, resumed when it has ended."""

    async def answer(self, task: Task) -> TaskReport:
        if task.step_key == "a":
            await self.has_happened("run.paused")
        return said(task)

    def steer(self, seen: Look, service: Service, run_id: RunId) -> Act | None:
        if "run.paused" not in seen.happened:
            at_work = seen.steps.get("a") == "running"
            return service.control.pause(run_id, "lunch", ANN) if at_work else None
        is_due = seen.steps.get("a") != "running" and seen.status == "paused"
        return service.control.resume(run_id, "back", ANN) if is_due else None


class Retrying(Shape):
    """The second step fails, and the run with it; then somebody begins again from a step."""

    def __init__(self, name: str, library: Any, start: str | None) -> None:
        super().__init__(name, library)
        self._start = start
        self._asked = False

    def begin(self) -> None:
        super().begin()
        self._asked = False

    async def answer(self, task: Task) -> TaskReport:
        return said(task) if self._asked or task.step_key != "b" else failed(task)

    def is_over(self, seen: Look) -> bool:
        return seen.is_ended and "run.retried" in seen.happened

    def steer(self, seen: Look, service: Service, run_id: RunId) -> Act | None:
        if not seen.is_ended:
            return None
        self._asked = True
        return service.control.retry(run_id, self._start, "again", ANN)


def calls() -> Flow:
    async def ask(ctx: Context) -> object:
        first = await ctx.agent(None, "first", key="one")
        second = await ctx.agent(None, "second", key="two")
        return [first.is_ok, second.is_ok]

    return a_flow(code("v", run=ask), code("w", "v"), name="calls")


def timers() -> Flow:
    nap = Step("nap", kind="wait", run=SOON)
    flaky = agent("a", "nap", retry=Retry(max=2, base=SOON))
    return a_flow(nap, flaky, name="timers")


class Flaky(Shape):
    """The first attempt fails in a way that may heal."""

    async def answer(self, task: Task) -> TaskReport:
        return failed(task, "transient") if task.attempt == 1 else said(task)


class Overdue(Shape):
    """Nobody ends in time: the deadline does."""

    is_exact = False
    may_refuse = True

    async def answer(self, task: Task) -> TaskReport:
        await self.has_happened("run.failed")
        return said(task)


def unclaimed() -> Flow:
    away = agent("away", queue="nobody", queue_timeout=SOON, on_fail="tolerate")
    return a_flow(away, agent("b", "away", trigger="all_done"), name="queue")


def _list(ctx: Context, key: str) -> list[object]:
    found: Any = ctx.results[key]
    return list(found)


def _one(shape: type[Shape], flow: Flow, *more: Any) -> Shape:
    return shape(flow.name, a_library(flow), *more)


MAKERS: dict[str, Callable[[], Shape]] = {
    "sequence": lambda: _one(Shape, sequence()),
    "inbox": lambda: _one(Inbox, sequence("inbox")),
    "slow": lambda: _one(Shape, slow()),
    "fan": lambda: _one(Shape, fan()),
    "map": lambda: _one(Shape, members()),
    "quorum": lambda: _one(Quorum, quorum()),
    "loop": lambda: _one(Shape, loop()),
    "approval": lambda: _one(Approving, approval("approval")),
    "redo": lambda: _one(Redoing, approval("redo", "redo")),
    "expiry": lambda: _one(Shape, expiring()),
    "cancel": lambda: _one(Cancelling, hanging("cancel")),
    "stop": lambda: _one(Stopping, a_flow(agent("b", on_fail="tolerate"), name="stop")),
    "pause": lambda: _one(Pausing, chain("pause")),
    "retry": lambda: _one(Retrying, chain("retry"), None),
    "retry-from": lambda: _one(Retrying, chain("retry-from"), "a"),
    "calls": lambda: _one(Shape, calls()),
    "timers": lambda: _one(Flaky, timers()),
    "deadline": lambda: _one(Overdue, a_flow(agent("a"), name="deadline", deadline=0.2)),
    "queue": lambda: _one(Shape, unclaimed()),
}
"""Every shape by its name; each is made anew for a campaign, for it remembers what it has seen."""
