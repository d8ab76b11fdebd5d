"""One flow written twice: as functions, and as a list of steps."""

# ruff: noqa: A002, FBT001, PLW0108  # `input` is what flows call it; names of parameters matter here
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BaseModel

from flowrunner import (
    Approval,
    Context,
    Each,
    Flow,
    From,
    Repeat,
    ReportContext,
    Retry,
    Step,
)
from flowrunner.definitions.checks import check_flow
from flowrunner.definitions.compose import compose
from unit.definitions.contexts import In


class Finding(BaseModel):
    title: str = ""
    severity: str = "low"


class Form(BaseModel):
    to: str
    cc: str = ""


def a_flow(**options: Any) -> Flow:
    return Flow("demo", input=In, **options)


def plain(flow: Flow) -> Flow:
    """Return the plain flow, which must have nothing wrong."""

    def report() -> str:
        return ""

    if not any(part.kind == "report" for part in flow.parts.found):
        flow.report(report)
    composed = compose(flow)
    assert (composed.problems, check_flow(composed.flow, {"critic"})) == ((), ())
    return composed.flow


def step_of(flow: Flow, key: str) -> Step:
    return next(step for step in plain(flow).steps if step.id == key)


def run_of(flow: Flow, key: str) -> Callable[[Context], Any]:
    run = step_of(flow, key).run
    assert callable(run)
    return run


def written_flow() -> Flow:
    flow = a_flow(siblings="drain")

    @flow.code(timeout="1m", phase="find", queue_timeout="5m")
    async def changed_files(input: In, ctx: Context) -> list[str]:
        return [input.base, ctx.band]

    @flow.agent(
        each=changed_files, key=str, output=list[Finding], persona="critic", retry=2, phase="find"
    )
    def review_file(path: str, input: In) -> str:
        return f"Review {path} of {input.repo}"

    @flow.agent(each=Each(review_file, quorum=0.5, max_items=9), output=Finding, on_fail="tolerate")
    def verify(found: list[Finding]) -> str:
        return str(found)

    @flow.agent(
        name="polish-it",
        needs=[review_file],
        repeat=Repeat(lambda previous: bool(previous), at_most=4),
        trigger="all_done",
        retry=Retry(3, classes=["quota"]),
        gate=lambda band: band != "small",
        agent="critic",
        on_skip="cascade",
    )
    def polish(previous: str | None, iteration: int) -> str:
        return f"{previous}{iteration}"

    _end(flow, review_file, polish)
    return flow


def _end(flow: Flow, review_file: Any, polish: Any) -> None:
    @flow.approval(
        expires="24h",
        when=lambda verify: bool(verify),
        approvers=["ann"],
        on_reject="redo",
        redo_from=review_file,
    )
    def publish(polish_it: Annotated[str, From(polish)]) -> str:
        return f"Publish {polish_it}?"

    @flow.wait(needs=[publish], bands=["large"], label="Night")
    def sleep() -> str:
        return "8h"

    @flow.report
    def report(ctx: ReportContext, publish: bool | None) -> str:
        return f"# {ctx.flow} {publish}"


def plain_twin() -> Flow:
    def anything(_: object) -> Any:
        return None

    return a_flow(
        siblings="drain",
        render=anything,
        steps=[
            Step("changed_files", "code", run=anything, timeout="1m", phase="find",
                 output=list[str], queue_timeout="5m"),
            Step("review_file", "agent", "critic", run=anything, retry=2, phase="find",
                 each=Each("changed_files"), output=list[Finding]),
            Step("verify", run=anything, output=Finding, on_fail="tolerate",
                 each=Each("review_file", quorum=0.5, max_items=9)),
            Step("polish-it", run=anything, needs=["review_file"], trigger="all_done",
                 repeat=Repeat(anything, at_most=4), retry=Retry(3, classes=["quota"]),
                 gate=anything, persona="critic", on_skip="cascade"),
            Step("publish", "approval", run=anything, when=anything,
                 needs=["verify", "polish-it"],
                 approval=Approval(expires="24h", approvers=["ann"], on_reject="redo",
                                   redo_from="review_file")),
            Step("sleep", "wait", run=anything, needs=["publish"], bands=["large"],
                 label="Night"),
        ],
    )  # fmt: skip
