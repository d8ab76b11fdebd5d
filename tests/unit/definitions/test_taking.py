"""What a function gets of a step that has a result, of one that has none, and of a decision."""

# `input` is what flows call it; names of parameters matter here
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false

import inspect
from typing import Any

import pytest

from flowrunner import Context, Report, StepResult
from flowrunner.definitions.arguments import MissingResultError
from flowrunner.definitions.context import Decided
from unit.definitions.contexts import a_context, a_report_context
from unit.definitions.written import Finding, Form, a_flow, plain, run_of, written_flow


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
    """Markdown becomes a report; a `Report` stays what it is."""
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
