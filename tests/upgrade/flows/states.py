"""A flow that stands in every interesting state at once while its gates are shut."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ConfigDict

from flowrunner import Approval, Context, Each, Flow, Report, ReportContext, Retry, Step

NAMES = ["x", "y", "z"]


class Request(BaseModel):
    """All agents wait for *gate*, or for the one that has their own name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gate: str = "open"


def orders(ctx: Context, key: str, *heard: object) -> str:
    """What the watched agent is told; a step's own gate is named after its key."""
    about = {"key": key, "gate": ctx.given(Request).gate, "is_stubborn": False}
    return json.dumps({**about, "heard": [str(each).strip() for each in heard]})


def look(ctx: Context) -> str:
    return orders(ctx, f"look-{ctx.item_key}", ctx.item)


def alone(ctx: Context) -> str:
    return orders(ctx, "alone")


async def judge(ctx: Context) -> list[str]:
    answers = [
        await ctx.agent(None, orders(ctx, f"judge-{key}"), key=key) for key in ("one", "two")
    ]
    return [str(answer.output).strip() for answer in answers]


def last(ctx: Context) -> str:
    gate: Any = ctx.results["gate"]
    return orders(ctx, "last", gate["approved"], ctx.results["judge"], ctx.results["alone"])


def render(ctx: ReportContext) -> Report:
    said: dict[str, Any] = {
        key: str(each).strip() for key, each in ctx.results.items() if key != "gate"
    }
    return Report("# States", data=said)


flow = Flow(
    "states",
    input=Request,
    steps=[
        Step("plan", kind="code", run=lambda _ctx: NAMES),
        Step("look", each=Each("plan"), needs=["plan"], run=look),
        Step("alone", run=alone),
        Step("judge", kind="code", run=judge),
        Step("nap", kind="wait", run="3s"),
        Step("flaky", retry=Retry(max=1, base="3s"), run=lambda ctx: orders(ctx, "flaky")),
        Step("gate", kind="approval", run=lambda _ctx: "Go on?", approval=Approval()),
        Step("last", needs=["look", "alone", "judge", "nap", "flaky", "gate"], run=last),
    ],
    render=render,
)
