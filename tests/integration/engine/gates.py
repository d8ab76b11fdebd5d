"""Flows that ask a person, and runs that have come to the question."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel

from fixtures.dispatchers import Dispatcher, done
from fixtures.libraries import a_flow, agent, told
from fixtures.steering import asked
from fixtures.waiting import until
from flowrunner.bootstrap.service import Service
from flowrunner.core.model import RunId
from flowrunner.definitions.context import Context, Report, ReportContext
from flowrunner.definitions.flow import Approval, Flow, Step


class Budget(BaseModel):
    dollars: int
    why: str = ""


def question(ctx: Context) -> str:
    return f"# Ship it?\n\n{ctx.results.get('draft')}"


def gate(*needs: str, **asks: Any) -> Step:
    options = {key: asks.pop(key) for key in ("on_fail", "label") if key in asks}
    return Step(
        "gate", kind="approval", needs=needs, run=question, approval=Approval(**asks), **options
    )


def shown(ctx: ReportContext) -> Report:
    data: Any = {**dict(told(ctx).data), "gate": ctx.results.get("gate")}  # type: ignore[arg-type]
    return Report("#", data=data)


def gated(**asks: Any) -> Flow:
    """A draft, a question about it, and what follows; beside it a branch that nobody approves."""
    return a_flow(
        agent("draft"),
        gate("draft", **asks),
        agent("ship", "gate", run=lambda ctx: f"ship: {json.dumps(ctx.results.get('gate'))}"),
        agent("beside"),
        agent("after", "beside"),
        render=shown,
    )


async def drafted(service: Service, dispatcher: Dispatcher, run_id: RunId) -> None:
    """Bring the run as far as it gets without a decision."""
    for task in await dispatcher.take(run_id, "draft", "beside"):
        await service.tasks.report(task.task_id, done(task))
    (after,) = await dispatcher.take(run_id, "after")
    await service.tasks.report(after.task_id, done(after))
    await until_asked(service, run_id)


async def until_asked(service: Service, run_id: RunId, times: int = 1) -> None:
    async def is_asked() -> bool:
        return len(await asked(service, run_id, "open", "rejected", "approved")) >= times

    await until(is_asked)
