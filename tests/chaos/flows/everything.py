"""A flow of every kind of step: a list, a loop, code that calls, a wait, a question, and what follows."""

from __future__ import annotations

import json
from typing import Any

from flowrunner import Approval, Context, Each, Flow, Repeat, Report, ReportContext, Step

NAMES = ["x", "y", "z"]
CALLS = ("first", "second")


def orders(key: str, *heard: object) -> str:
    """What the watched agent is told; it waits for the gate that is called `open`."""
    about = {"key": key, "gate": "open", "is_stubborn": False}
    return json.dumps({**about, "heard": [str(each).strip() for each in heard]})


def look(ctx: Context) -> str:
    return orders(f"look-{ctx.item_key}", ctx.item)


def polish(ctx: Context) -> str:
    return orders(f"polish-{ctx.iteration}", ctx.previous)


def is_polished(ctx: Context) -> bool:
    return ctx.iteration == 2


async def judge(ctx: Context) -> list[str]:
    answers = [await ctx.agent(None, orders(f"judge-{key}"), key=key) for key in CALLS]
    return [str(answer.output).strip() for answer in answers]


def ask(ctx: Context) -> str:
    looked: Any = ctx.results["look"]
    return f"Ship {len(looked)} of them?"


def last(ctx: Context) -> str:
    gate: Any = ctx.results["gate"]
    return orders("last", gate["approved"], ctx.results["judge"], ctx.results["polish"])


def render(ctx: ReportContext) -> Report:
    results = ctx.results.items()
    shown: dict[str, Any] = {key: str(said).strip() for key, said in results if key != "gate"}
    return Report("# Everything", data=shown)


flow = Flow(
    "everything",
    steps=[
        Step("plan", kind="code", run=lambda _ctx: NAMES),
        Step("look", each=Each("plan"), needs=["plan"], run=look),
        Step("polish", repeat=Repeat(is_polished), run=polish),
        Step("judge", kind="code", run=judge),
        Step("nap", kind="wait", run="1s"),
        Step("gate", kind="approval", needs=["look", "nap"], run=ask, approval=Approval()),
        Step("last", needs=["gate", "judge", "polish"], run=last),
    ],
    render=render,
)
