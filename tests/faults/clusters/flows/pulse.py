"""A short flow whose every kind of promise can be kept in a diary: results, a decision, its end."""

from __future__ import annotations

from flowrunner import Approval, Context, Flow, Report, ReportContext, Step


def told(ctx: Context) -> str:
    return f"Say something, after {sorted(ctx.results)}."


def ask(ctx: Context) -> str:
    return f"Go on with {len(ctx.results)} of them?"


def render(ctx: ReportContext) -> Report:
    return Report("# Pulse", data={key: str(said) for key, said in ctx.results.items()})


flow = Flow(
    "pulse",
    steps=[
        Step("plan", kind="code", run=lambda _ctx: ["left", "right"]),
        Step("left", needs=["plan"], queue="told", run=told),
        Step("right", needs=["plan"], queue="told", run=told),
        Step("gate", kind="approval", needs=["left", "right"], run=ask, approval=Approval()),
        Step("last", needs=["gate"], queue="told", run=told),
    ],
    render=render,
)
