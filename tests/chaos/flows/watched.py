"""A flow whose agents are watched from outside: three side by side, then code, then one more."""

from __future__ import annotations

import json
from collections.abc import Callable

from pydantic import BaseModel, ConfigDict

from flowrunner import Context, Flow, Report, ReportContext, Step

SIDE_BY_SIDE = ("left", "middle", "right")


class Request(BaseModel):
    """*stubborn* agents do not end when they are asked to; all wait for *gate*, or their own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stubborn: tuple[str, ...] = ()
    gate: str = "open"


def orders(key: str, *needs: str) -> Callable[[Context], str]:
    def prompt(ctx: Context) -> str:
        asked = ctx.given(Request)
        heard = [ctx.results[need] for need in needs]
        about = {"key": key, "gate": asked.gate, "is_stubborn": key in asked.stubborn}
        return json.dumps({**about, "heard": heard})

    return prompt


def count(ctx: Context) -> list[str]:
    return [str(ctx.results[key]).strip() for key in SIDE_BY_SIDE]


def render(ctx: ReportContext) -> Report:
    return Report("# Watched", data={key: str(said) for key, said in ctx.results.items()})


flow = Flow(
    "watched",
    input=Request,
    steps=[
        Step("plan", kind="code", run=lambda _ctx: list(SIDE_BY_SIDE)),
        *(Step(key, needs=["plan"], run=orders(key, "plan")) for key in SIDE_BY_SIDE),
        Step("count", kind="code", needs=SIDE_BY_SIDE, run=count),
        Step("last", needs=["count"], run=orders("last", "count")),
    ],
    render=render,
)
