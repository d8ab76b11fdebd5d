"""A flow file can hold anything: whatever it says, it is told problems, and nothing raises."""

from dataclasses import fields
from datetime import datetime
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from flowrunner.definitions.authoring import OPTIONS
from flowrunner.definitions.checks import check_flow
from flowrunner.definitions.compose import compose
from flowrunner.definitions.context import Report
from flowrunner.definitions.flow import Approval, Each, Flow, Repeat, Retry, Step
from flowrunner.definitions.graph import build_graph


class Model(BaseModel):
    title: str


def report(_: object) -> Report:
    return Report("")


def _look(first: object) -> str:
    return str(first)


def _take(input: object) -> object:  # noqa: A002  # the name is the point
    return input


def _is_done(previous: object) -> bool:
    return bool(previous)


STRANGE: dict[str, Any] = {
    "none": None, "true": True, "minus": -1, "huge": 10**30, "nan": float("nan"),
    "infinite": float("inf"), "empty": "", "word": "word", "code": "30m", "bytes": b"x",
    "list": [[]], "map": {"a": []}, "set": set(), "object": object(), "class": int,
    "generic": list[Model], "model": Model, "literal": Literal["a"], "any": Any,
    "function": lambda: 1, "stars": print, "time": datetime(2030, 1, 1), "broken": "{{ a }}",  # noqa: DTZ001
    "each": Each([[]], key=3, max_items="x", quorum=[], parallel=None, overflow={}),  # pyright: ignore[reportArgumentType]
    "repeat": Repeat(3, at_most=[], on_exhausted={}),  # pyright: ignore[reportArgumentType]
    "retry": Retry([], base={}, cap=None, classes=[[]]),  # pyright: ignore[reportArgumentType]
    "approval": Approval(form=3, approvers=[[]], expires=[], on_expiry={}, remind={},  # pyright: ignore[reportArgumentType]
                         on_reject=[], redo_from=[], max_redos=None),  # pyright: ignore[reportArgumentType]
}  # fmt: skip
KINDS = ("agent", "code", "approval", "wait")


def judged(flow: Flow) -> tuple[str, ...]:
    """Return all that is said of *flow*; where nothing is, its graph is built."""
    composed = compose(flow)
    problems = (*composed.problems, *check_flow(composed.flow, ()))
    if not problems:
        build_graph(composed.flow).to_json()
    return tuple(str(problem) for problem in problems)


@pytest.mark.parametrize("strange", STRANGE.values(), ids=STRANGE.keys())
@pytest.mark.parametrize("kind", KINDS)
def test_any_value_of_any_option_is_judged(kind: str, strange: object) -> None:
    """D2-26: a wrong value is a problem of its flow; it cannot harm the other flows of a folder."""
    for option in (option.name for option in fields(Step) if option.init):
        given: dict[str, Any] = {"id": "a", "kind": kind, "run": print, option: strange}
        judged(Flow("demo", [Step(**given)], report))
    for option in OPTIONS[kind]:
        flow = Flow("demo", [Step("first", "code", run=report)], report)
        getattr(flow, kind)(**{option: strange})(_look)
        judged(flow)


@pytest.mark.parametrize("strange", STRANGE.values(), ids=STRANGE.keys())
def test_any_value_of_a_flow_is_judged(strange: object) -> None:
    """D2-26: the same for what a flow itself is told, and for what is decorated."""
    for option in (option.name for option in fields(Flow) if option.init):
        given: dict[str, Any] = {"name": "demo", "render": report, option: strange}
        flow = Flow(**given)
        flow.code(_take)
        judged(flow)
    flow = Flow("demo")
    flow.agent(strange)  # pyright: ignore[reportCallIssue, reportArgumentType]  # that is the point
    assert judged(flow)


@pytest.mark.parametrize("strange", STRANGE.values(), ids=STRANGE.keys())
@pytest.mark.parametrize("kind", KINDS)
def test_any_annotation_is_judged(kind: str, strange: object) -> None:
    """D2-26: annotations are any expression."""

    def use(first: object, previous: object) -> object:
        return (first, previous)

    use.__annotations__.update({"first": strange, "previous": strange, "return": strange})
    flow = Flow("demo", [Step("first", "code", run=report, output=strange)], report)
    flow.code(each="first", repeat=Repeat(_is_done))(use)
    getattr(flow, kind)(name="other")(use)
    flow.report(use)

    assert judged(flow)


def test_steps_that_are_no_list_stay_a_problem_beside_functions() -> None:
    """P11: what was given wrongly is not replaced by what was written besides."""
    flow = Flow("demo", 3, report)  # pyright: ignore[reportArgumentType]  # that is the point
    flow.code(lambda: 1)

    assert any("bad-steps" in problem for problem in judged(flow))
