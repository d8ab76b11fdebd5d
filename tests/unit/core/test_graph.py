"""The shape of a flow: numbers, dependents, labels and the canonical form."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import a_graph
from flowrunner.core.graph import (
    Graph,
    Limits,
    OnFail,
    RetryPolicy,
    StepKind,
    StepSpec,
    label_of,
)


def test_steps_are_numbered_in_flow_order() -> None:
    """A step's number is its place; dependents are known from either side."""
    graph = a_graph("a", "b<-a", "c<-a,b")

    assert [graph.number_of(key) for key in ("a", "b", "c")] == [0, 1, 2]
    assert graph.dependents == ((1, 2), (2,), ())


def test_an_unknown_step_has_no_number() -> None:
    """Asking for a step the flow does not have is the caller's mistake."""
    with pytest.raises(KeyError, match="nope"):
        a_graph("a").number_of("nope")


@pytest.mark.parametrize(
    ("key", "label"),
    [
        ("find-bugs", "Find Bugs"),
        ("find_bugs", "Find Bugs"),
        ("a--b_-c", "A B C"),
        ("scan2", "Scan2"),
        ("keepCase", "KeepCase"),
        ("-", ""),
    ],
)
def test_a_label_is_the_id_in_words(key: str, label: str) -> None:
    """R2-09: runs of dashes and underscores become one space, words get a capital."""
    assert label_of(key) == label


def test_the_canonical_form_is_spelled_out() -> None:
    """The form is hashed and stored: a change to it is a decision, not an accident."""
    graph = a_graph("a", "b()?!tolerate*3<-a", deadline=60)

    assert json.loads(json.dumps(graph.to_json())) == {
        "deadline_seconds": 60,
        "siblings": "stop",
        "steps": [
            {
                "key": "a",
                "kind": "agent",
                "needs": [],
                "persona": None,
                "has_when": False,
                "on_fail": "fail",
                "retry": [1, 2.0, 300.0, ["transient", "quota", "contract"]],
                "limits": [1800.0, None, None],
                "queue": "default",
                "label": "",
                "trigger": "all",
                "on_skip": "satisfy",
                "phase": None,
            },
            {
                "key": "b",
                "kind": "code",
                "needs": [0],
                "persona": None,
                "has_when": True,
                "on_fail": "tolerate",
                "retry": [3, 2.0, 300.0, ["transient", "quota", "contract"]],
                "limits": [1800.0, None, None],
                "queue": "default",
                "label": "",
                "trigger": "all",
                "on_skip": "satisfy",
                "phase": None,
            },
        ],
    }


seconds = st.floats(0, 1e6)
specs = st.builds(
    StepSpec,
    key=st.text(min_size=1, max_size=8),
    kind=st.sampled_from(StepKind),
    persona=st.none() | st.text(max_size=8),
    has_when=st.booleans(),
    on_fail=st.sampled_from(OnFail),
    retry=st.builds(RetryPolicy, st.integers(1, 9), seconds, seconds),
    limits=st.builds(Limits, seconds, st.none() | seconds),
    queue=st.text(max_size=8),
    label=st.text(max_size=8),
)


@given(st.lists(specs, max_size=4, unique_by=lambda spec: spec.key), st.none() | seconds)
def test_the_canonical_form_loses_nothing(steps: list[StepSpec], deadline: float | None) -> None:
    """Written to JSON text and read back, a graph is the same graph."""
    graph = Graph(tuple(steps), deadline)

    again = Graph.from_json(json.loads(json.dumps(graph.to_json())))

    assert again == graph
    assert again.dependents == graph.dependents


def test_a_stored_graph_without_deadline_can_be_read() -> None:
    """A graph stored before deadlines existed has none."""
    assert Graph.from_json({"steps": []}) == Graph(())


@pytest.mark.parametrize("step", ["A", "a<-", "a??", "<-a", ""])
def test_the_notation_refuses_what_it_does_not_know(step: str) -> None:
    """A typing mistake in a test's graph is not taken for a graph."""
    with pytest.raises(ValueError, match="not a step"):
        a_graph(step)
