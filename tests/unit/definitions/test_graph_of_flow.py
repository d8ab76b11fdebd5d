"""From what an author writes to the graph that is scheduled, pinned and hashed."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import pytest
from pydantic import BaseModel, Field

from flowrunner.core.graph import (
    ApprovalSpec,
    EachSpec,
    Expiry,
    Graph,
    Limits,
    OnFail,
    OnSkip,
    Overflow,
    Rejection,
    RepeatSpec,
    RetryPolicy,
    Siblings,
    StepKind,
    StepSpec,
    Trigger,
)
from flowrunner.core.validation import StepDraft, check_graph
from flowrunner.definitions.checks import check_flow
from flowrunner.definitions.context import Context, Report, ReportContext
from flowrunner.definitions.durations import wake_time
from flowrunner.definitions.flow import Approval, Each, Flow, Repeat, Retry, Step
from flowrunner.definitions.graph import build_graph
from flowrunner.definitions.outputs import adapter, is_structured

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


class Finding(BaseModel):
    title: str


def a_report(context: ReportContext) -> Report:
    return Report(context.flow)


def members(context: Context) -> list[str]:
    return [context.band]


def is_done(context: Context) -> bool:
    return context.iteration == 1


def graph_of(*steps: Step, **rest: object) -> Graph:
    flow = Flow("demo", steps, a_report, **rest)  # pyright: ignore[reportArgumentType]  # any option
    assert check_flow(flow, {"critic"}) == ()
    return build_graph(flow)


def spec_of(**options: object) -> StepSpec:
    """Return the spec of a step with these options, after one called `list`."""
    step = Step("it", **{"run": print, **options})  # pyright: ignore[reportArgumentType]  # any option
    return graph_of(Step("list", "code", run=print), step).steps[1]


@pytest.mark.parametrize(
    ("options", "field", "expected"),
    [
        ({}, "queue", "default"),
        ({"kind": "code"}, "queue", "code"),
        ({"kind": "approval"}, "queue", ""),
        ({"kind": "wait", "run": "5m"}, "queue", ""),
        ({"queue": "gpu"}, "queue", "gpu"),
        ({"kind": "wait", "run": "5m"}, "kind", StepKind.WAIT),
        ({"trigger": "all_done"}, "trigger", Trigger.ALL_DONE),
        ({"on_skip": "cascade"}, "on_skip", OnSkip.CASCADE),
        ({"on_fail": "skip"}, "on_fail", OnFail.SKIP),
        ({"phase": "Verify"}, "phase", "Verify"),
        ({"retry": 2}, "retry", RetryPolicy(3)),
        (
            {"retry": Retry(2, base="1s", cap="1m", classes=["quota"])},
            "retry",
            RetryPolicy(3, 1.0, 60.0, ("quota",)),
        ),
        (
            {"timeout": "1h", "idle_timeout": 60, "queue_timeout": "10m"},
            "limits",
            Limits(3600.0, 60.0, 600.0),
        ),
        ({"each": Each("list")}, "each", EachSpec()),
        ({"each": Each("list")}, "needs", (0,)),
        ({"each": Each("list"), "needs": ["list"]}, "needs", (0,)),
        ({"each": Each(members)}, "needs", ()),
        (
            {"each": Each("list", max_items=9, overflow="first", quorum=2, parallel=3)},
            "each",
            EachSpec(9, Overflow.FIRST, 2, None, 3),
        ),
        ({"each": Each("list", quorum=0.5)}, "each", EachSpec(quorum_share=0.5)),
        ({"each": Each("list", quorum=1)}, "each", EachSpec(quorum_count=1)),
        ({"each": Each("list", quorum=1.0)}, "each", EachSpec(quorum_share=1.0)),
        ({"repeat": Repeat(is_done)}, "repeat", RepeatSpec()),
        (
            {"repeat": Repeat(is_done, at_most=7, on_exhausted="complete")},
            "repeat",
            RepeatSpec(7, fails_when_exhausted=False),
        ),
        ({"kind": "approval"}, "approval", ApprovalSpec()),
        (
            {
                "kind": "approval",
                "needs": ["list"],
                "approval": Approval(
                    approvers=["ann"],
                    expires="2h",
                    on_expiry="continue",
                    remind="1h",
                    on_reject="redo",
                    redo_from="list",
                    max_redos=5,
                ),
            },
            "approval",
            ApprovalSpec(("ann",), 7200.0, Expiry.CONTINUE, 3600.0, Rejection.REDO, 0, 5),
        ),
        ({"agent": "critic"}, "persona", "critic"),
        ({"depends_on": ["list"]}, "needs", (0,)),
    ],
)
def test_every_option_reaches_the_graph(
    options: dict[str, object], field: str, expected: object
) -> None:
    """F1, P11: nothing that an author can write is dropped on the way to the scheduler."""
    assert getattr(spec_of(**options), field) == expected


def test_what_a_flow_says_of_siblings_reaches_the_graph() -> None:
    """D2-07: stop or drain is the flow's choice."""
    assert graph_of().siblings is Siblings.STOP
    assert graph_of(siblings="drain").siblings is Siblings.DRAIN


def test_the_original_order_of_arguments_is_accepted() -> None:
    """F1: `Step(id, kind, agent, depends_on, when, run)` is the same step as by our words."""
    plain = Step("b", "agent", "critic", ["a"], bool, "Hi")

    assert plain == Step("b", persona="critic", needs=["a"], when=bool, run="Hi")


def a_chain(length: int) -> list[StepDraft]:
    """Every step needs the one before it, and refers to the first."""
    return [
        StepDraft(
            f"s{n}",
            StepKind.AGENT,
            (f"s{n - 1}",) if n else (),
            references=("s0",) if n else (),
        )
        for n in range(length)
    ]


def test_a_long_chain_of_references_is_sound() -> None:
    """D2-26: 10,000 steps that all look back to the first are checked, and found to be right."""
    assert check_graph(a_chain(10_000), personas=()) == ()


def test_below_a_cycle_ancestors_are_still_told() -> None:
    """D2-26: a cycle hides no other problem, however its steps are ordered."""
    drafts = [
        StepDraft("end", StepKind.AGENT, ("a",), references=("a", "b", "lone")),
        StepDraft("a", StepKind.AGENT, ("b",)),
        StepDraft("b", StepKind.AGENT, ("c",)),
        StepDraft("c", StepKind.AGENT, ("a",), references=("b",)),
        StepDraft("lone", StepKind.AGENT),
    ]

    found = check_graph(drafts, personas=())

    assert [problem.code for problem in found] == ["cycle", "reference-not-ancestor"]
    assert "'lone'" in found[1].message


@pytest.mark.parametrize("output", [int, list[Finding], dict[str, int], Finding | None])
def test_an_output_has_one_adapter(output: object) -> None:
    """Building one is dear, and each answer is read with it."""
    assert adapter(output) is adapter(output)


def test_an_output_that_cannot_be_hashed_has_an_adapter_too() -> None:
    """What pydantic accepts is accepted: an annotation may hold a list."""

    class Example(list[str]):
        __hash__ = None  # pyright: ignore[reportAssignmentType]  # as lists are

    told = Annotated[str, Field(examples=Example(["a"]))]

    assert adapter(told).validate_python("b") == "b"


@pytest.mark.parametrize("output", [3, "Finding", object()])
def test_what_is_no_type_has_no_adapter(output: object) -> None:
    """A text is never taken for a type of that name."""
    with pytest.raises(Exception, match=r"no type|schema"):
        adapter(output)


def test_text_is_no_structure() -> None:
    """An agent is asked for JSON only if more than text is expected of it."""
    asked = [is_structured(output) for output in (None, str, int, list[str], Finding)]

    assert asked == [False, False, True, True, True]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("90s", NOON + timedelta(seconds=90)),
        (60, NOON + timedelta(minutes=1)),
        (timedelta(days=1), NOON + timedelta(days=1)),
        (NOON - timedelta(days=400), NOON - timedelta(days=400)),
        (NOON.replace(tzinfo=None), None),
        (timedelta(days=8), None),
        ("soon", None),
        (True, None),
        (None, None),
    ],
)
def test_a_wait_ends_when_its_author_says(value: object, expected: datetime | None) -> None:
    """A span counts from now, a time is itself, and a time without a zone is none."""
    assert wake_time(value, NOON) == expected
