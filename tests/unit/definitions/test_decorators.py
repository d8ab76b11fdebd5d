"""Steps written as functions: the plain flow they make, and what they are called with."""

# ruff: noqa: A002, A006  # `input` is what flows call it; names of parameters matter here
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from flowrunner import Context, Launch, Project, Repeat, Step
from flowrunner.definitions.checks import check_flow
from flowrunner.definitions.compose import compose
from flowrunner.definitions.graph import build_graph
from unit.definitions.contexts import LAUNCH, PROJECT, In, a_context
from unit.definitions.written import (
    Finding,
    a_flow,
    plain,
    plain_twin,
    run_of,
    step_of,
    written_flow,
)


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
    assert callable(step.repeat.until)
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
