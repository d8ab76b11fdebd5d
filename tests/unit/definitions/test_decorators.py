"""Steps written as functions: the plain flow they make, and what they are called with."""

# ruff: noqa: A002, A006, FBT001, PLW0108  # `input` is what flows call it; names of parameters matter here
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from flowrunner import (
    Approval,
    Context,
    Each,
    Flow,
    From,
    Launch,
    Project,
    Repeat,
    Report,
    ReportContext,
    Retry,
    Step,
    StepResult,
)
from flowrunner.definitions.arguments import MissingResultError
from flowrunner.definitions.checks import check_flow
from flowrunner.definitions.compose import compose
from flowrunner.definitions.context import Decided
from flowrunner.definitions.graph import build_graph
from unit.definitions.contexts import LAUNCH, PROJECT, In, a_context, a_report_context


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


def called_with(annotation: object, context: Context, **producer: Any) -> object:
    """Return what a step gets that takes `source`, annotated so; *producer* is its decorator's."""
    flow = a_flow()
    kind = producer.pop("kind", "code")

    def source() -> Any:
        return "?"

    getattr(flow, kind)(**producer)(source)

    def use(source):  # noqa: ANN001, ANN202  # pyright: ignore[reportMissingParameterType, reportUnknownParameterType, reportUnknownVariableType]  # annotated below
        return source  # pyright: ignore[reportUnknownVariableType]  # whatever it is

    if annotation is not inspect.Parameter.empty:
        use.__annotations__["source"] = annotation
    flow.code(use)  # pyright: ignore[reportUnknownArgumentType]  # whatever it takes
    return run_of(flow, "use")(context)


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

    return flow


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


def test_functions_make_the_same_graph_as_their_plain_twin() -> None:
    """F1: two ways to write a flow, one model: the graphs that are hashed and run are equal."""
    written, twin = plain(written_flow()), plain_twin()

    assert check_flow(twin, {"critic"}) == ()
    assert build_graph(written).to_json() == build_graph(twin).to_json()
    assert [step.output for step in written.steps] == [step.output for step in twin.steps]


def test_composing_twice_gives_the_same_flow() -> None:
    """Equal files share a module, and each of its definitions composes the flow it finds there."""
    flow = written_flow()

    assert build_graph(compose(flow).flow) == build_graph(compose(flow).flow)


def test_nothing_is_added_once_the_flow_was_read() -> None:
    """P11: a step that comes too late to run is refused, not forgotten."""
    flow = written_flow()
    plain(flow)

    with pytest.raises(RuntimeError, match="while the flow's module loads"):

        @flow.code
        def late() -> int:
            return 1


def test_a_decorated_function_is_still_itself() -> None:
    """A prompt is tested by calling its function: no model, no run."""
    flow = a_flow()

    @flow.agent(output=Finding)
    def look(path: str) -> str:
        return f"Look at {path}"

    assert look("a.py") == "Look at a.py"


def test_a_flow_of_both_forms_keeps_their_order() -> None:
    """Functions come after the steps of the list, and may name them."""
    flow = a_flow(steps=[Step("find-bugs", "code", run=lambda _: [1])])

    @flow.code
    def use(find_bugs: list[int]) -> int:
        return sum(find_bugs)

    assert [(step.id, tuple(step.needs)) for step in plain(flow).steps] == [
        ("find-bugs", ()),
        ("use", ("find-bugs",)),
    ]
    assert run_of(flow, "use")(a_context({"find-bugs": [1, 2]})) == 3


def test_the_input_and_the_context_are_given_by_name() -> None:
    """F6: `input` is the flow's own model, `ctx` the whole context, in any place."""
    flow = a_flow()

    @flow.agent
    def look(ctx: Context, *, input: In) -> str:
        return f"{input.base} {ctx.band}"

    assert run_of(flow, "look")(a_context()) == "main small"


def test_an_async_step_is_awaited() -> None:
    """A code step may call agents, so its function may be async; the arguments are the same."""
    run = run_of(written_flow(), "changed_files")

    assert asyncio.run(run(a_context())) == ["main", "small"]


@pytest.mark.parametrize("member", [{"title": "a"}, Finding(title="a")])
def test_a_member_is_what_its_annotation_names(member: object) -> None:
    """F13: the first parameter is the member, as a model even where it was stored as JSON."""
    flow = a_flow()

    @flow.code
    def findings() -> list[Finding]:
        return []

    @flow.agent(each=findings)
    def look(finding: Finding, ctx: Context) -> str:
        return f"{finding.title} {ctx.item_key}"

    assert run_of(flow, "look")(a_context(item=member, item_key="k")) == "a k"


def test_a_list_may_be_computed_by_a_function() -> None:
    """F13: each= takes any function of names, and what it names ends first."""
    flow = a_flow()

    @flow.code
    def count() -> int:
        return 2

    def numbers(count: int, input: In) -> list[str]:
        return [input.base] * count

    @flow.agent(each=numbers, key=lambda member: member)
    def look(member: str) -> str:
        return member

    each = step_of(flow, "look").each
    assert each is not None
    assert callable(each.over)
    assert each.over(a_context({"count": 2})) == ["main", "main"]
    assert step_of(flow, "look").needs == ("count",)


def test_a_repeat_is_told_what_went_before() -> None:
    """F15: `previous` is None at first and then the last result, `iteration` counts from one."""
    flow = a_flow()

    @flow.agent(output=Finding, repeat=Repeat(lambda previous, input: previous.title == input.base))
    def polish(previous: Finding | None, iteration: int) -> str:
        return f"{previous.title if previous else None} {iteration}"

    step = step_of(flow, "polish")
    assert step.repeat is not None
    assert callable(step.run)
    assert step.run(a_context(iteration=1)) == "None 1"
    assert step.run(a_context(iteration=2, previous={"title": "a"})) == "a 2"
    assert not step.repeat.until(a_context(previous={"title": "a"}))
    assert step.repeat.until(a_context(previous=Finding(title="main")))


def test_a_condition_names_what_it_looks_at() -> None:
    """F10: a `when` takes steps by name, and so needs them."""
    flow = a_flow()

    @flow.code
    def count() -> int:
        return 1

    @flow.agent(when=lambda count, ctx: count > len(ctx.band))
    def look() -> str:
        return "x"

    step = step_of(flow, "look")
    assert step.when is not None
    assert [step.when(a_context({"count": count})) for count in (5, 6)] == [False, True]
    assert step.needs == ("count",)


@pytest.mark.parametrize(
    ("gate", "expected"),
    [
        (lambda input: input.base, "main"),
        (lambda band, project: (band, project), ("small", PROJECT)),
        (lambda launch: launch, LAUNCH),
        (lambda: True, True),
    ],
)
def test_a_gate_names_what_it_looks_at(gate: Callable[..., bool], expected: object) -> None:
    """R2-06: a gate sees the input, the band and the project: there are no results yet."""
    flow = a_flow()

    @flow.agent(gate=gate)
    def look() -> str:
        return "x"

    made = step_of(flow, "look").gate
    assert made is not None
    assert made(LAUNCH) == expected


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [(int | None, None), (Any | None, None), (None, None)],
)
def test_an_optional_parameter_goes_without(annotation: object, expected: object) -> None:
    """P9: only who says so is given nothing for a step that has no result."""
    for status in ("failed", "skipped", "excluded", "cancelled"):
        assert called_with(annotation, a_context(ended={"source": status})) is expected


@pytest.mark.parametrize("annotation", [int, Any, list[Finding], inspect.Parameter.empty])
@pytest.mark.parametrize("status", ["failed", "skipped", "excluded"])
def test_a_missing_result_fails_who_did_not_expect_it(annotation: object, status: str) -> None:
    """P9: a result that is not there is never read as an empty one."""
    with pytest.raises(MissingResultError) as told:
        called_with(annotation, a_context(ended={"source": status}))

    assert str(told.value).startswith(
        f"step 'use' takes source from step 'source', which is {status}"
    )
    assert "to go on without" in str(told.value)


def test_a_missing_result_says_why() -> None:
    """P9: the message holds the cause and the way out."""
    with pytest.raises(MissingResultError) as told:
        called_with(int, a_context(ended={"source": "failed"}))

    assert str(told.value) == (
        "step 'use' takes source from step 'source', which is failed (it broke); "
        "annotate it `int | None`, or StepResult, to go on without"
    )


def test_a_default_stands_for_a_missing_result() -> None:
    """An author who writes what to take instead has decided."""
    flow = a_flow()

    @flow.code
    def scan() -> list[int]:
        return [1]

    @flow.code
    def use(scan: list[int] = [7], more: int = 2) -> int:  # noqa: B006  # only read
        return sum(scan) + more

    assert run_of(flow, "use")(a_context(ended={"scan": "skipped"})) == 9
    assert run_of(flow, "use")(a_context({"scan": [1]})) == 3


@pytest.mark.parametrize("annotation", [StepResult, StepResult | None])
def test_a_step_result_tells_how_it_stands(annotation: object) -> None:
    """F45: a tolerated failure is a typed value, with its status and its reason."""
    failed = called_with(annotation, a_context(ended={"source": "failed"}))
    done = called_with(annotation, a_context({"source": Finding()}))

    assert isinstance(failed, StepResult)
    assert (failed.status, failed.message) == ("failed", "it broke")
    assert isinstance(done, StepResult)
    assert done.output == Finding()


DECIDED: dict[str, Any] = {
    "approved": True, "actor": "ann", "comment": "go", "values": {"to": "all"},
}  # fmt: skip
REJECTED: dict[str, Any] = {**DECIDED, "approved": False, "values": {}}


@pytest.mark.parametrize(
    ("annotation", "told", "expected"),
    [
        (bool, DECIDED, True),
        (bool, REJECTED, False),
        (inspect.Parameter.empty, REJECTED, False),
        (Any, DECIDED, True),
        (bool | None, DECIDED, True),
        (dict[str, Any], DECIDED, DECIDED),
        (Decided, DECIDED, Decided("source", True, "ann", "go", {"to": "all"})),
        (Form, DECIDED, Form(to="all")),
        (Form | None, REJECTED, None),
    ],
)
def test_a_decision_is_told_as_it_is_asked_for(
    annotation: object, told: dict[str, Any], expected: object
) -> None:
    """F42: yes or no, the whole decision, or the form as filled in; a no is never truthy."""
    found = called_with(annotation, a_context({"source": told}), kind="approval", form=Form)

    assert found == expected
    assert type(found) is type(expected)


def test_a_rejected_form_is_missing() -> None:
    """P9: values that nobody filled in are not taken for some."""
    with pytest.raises(MissingResultError, match=r"was rejected; annotate it `Form \| None`"):
        called_with(Form, a_context({"source": REJECTED}), kind="approval", form=Form)


def test_a_skipped_approval_is_no_approval() -> None:
    """P9: nobody was asked, so nobody said yes or no."""
    with pytest.raises(MissingResultError, match="which is skipped"):
        called_with(bool, a_context(ended={"source": "skipped"}), kind="approval")


def test_a_report_may_be_text() -> None:
    """R2-25: Markdown becomes a report; a `Report` stays what it is."""
    flow = written_flow()
    render = plain(flow).render

    assert render(a_report_context({"publish": REJECTED})) == Report("# demo False")


def test_a_report_that_is_neither_is_refused() -> None:
    """P9: what cannot be shown is an error, not an empty page."""
    flow = a_flow()

    @flow.report
    def report() -> Any:
        return ["a"]

    with pytest.raises(TypeError, match="a report is Markdown or a Report"):
        plain(flow).render(a_report_context())


def test_a_function_may_serve_two_steps() -> None:
    """A decorator returns the function as it is, so the same may be added again by name."""
    flow = a_flow()

    def look() -> str:
        return "x"

    flow.agent(name="one")(look)
    flow.agent(name="two")(look)

    assert [step.id for step in plain(flow).steps] == ["one", "two"]


def test_problems_are_placed_at_the_decorator() -> None:
    """D2-26: a step stands where it is written, not where it was composed."""
    flow = a_flow()

    @flow.code
    def look() -> int:
        return 1

    assert (step_of(flow, "look").file, step_of(flow, "look").line) == (
        __file__,
        look.__code__.co_firstlineno,
    )


def test_a_launch_has_what_its_gate_names() -> None:
    """The names are those of `Launch`, so that neither drifts."""
    assert {"input", "band", "project"} <= set(Launch.__slots__)
    assert isinstance(replace(LAUNCH).project, Project)
