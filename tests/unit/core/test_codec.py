"""Events survive being stored: a type, a step number and a JSON body."""

import json
from dataclasses import MISSING, fields
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import a_graph, decided
from builders import a_run as a_run_of
from flowrunner.core import codec
from flowrunner.core import events as ev
from flowrunner.core.model import Failure, FailureClass, Losses, Ref, Usage

KINDS = get_args(ev.Event)

count = st.integers(0, 2**40)
text = st.text(max_size=20)
failures = st.builds(Failure, text, text, st.sampled_from(FailureClass), text, text)
usages = st.builds(Usage, count, count, count, st.floats(0, 1e6))
step = st.integers(0, 9_999)
losses = st.builds(Losses, count, count)
seconds = st.floats(0, 1e6)
refs = st.builds(Ref, text)
maybe = st.none() | refs
keys = st.lists(text, max_size=3).map(tuple)
steps = st.lists(step, max_size=3).map(tuple)
events: st.SearchStrategy[ev.Event] = st.one_of(
    st.builds(
        ev.RunStarted, text, text, text, st.lists(st.tuples(step, text), max_size=3).map(tuple)
    ),
    st.builds(ev.StepDispatched, step, count, st.none() | st.builds(Ref, text)),
    st.builds(
        ev.StepRetrying,
        step,
        count,
        failures,
        st.floats(0, 300),
        count,
        usages,
        st.booleans(),
        maybe,
        maybe,
        maybe,
    ),
    st.builds(ev.StepCompleted, step, count, refs, count, usages, losses, maybe),
    st.builds(ev.StepFailed, step, count, failures, st.booleans(), count, usages, maybe, maybe),
    st.builds(ev.StepSkipped, step, text),
    st.builds(ev.StepCancelled, step, text, count),
    st.builds(ev.ResultRejected, step, count, count, text),
    st.builds(ev.RunFailing, failures),
    st.builds(ev.RunRepaired, text),
    st.builds(ev.RunCompleted, text, st.builds(Ref, text), st.booleans()),
    st.builds(ev.RunFailed, failures, st.none() | st.builds(Ref, text)),
    st.builds(ev.RunCancelled, text, text),
    st.builds(ev.StepExpanded, step, step, keys, refs, count, count, count),
    st.builds(ev.StepIterated, step, step, count),
    st.builds(ev.CallRequested, step, step, text, refs, st.none() | text, count, seconds),
    st.builds(ev.StepSlept, step, seconds),
    st.builds(ev.StepDue, step),
    st.builds(ev.ApprovalRequested, step, count, refs, text, st.none() | seconds),
    st.builds(ev.ApprovalReminded, step, count),
    st.builds(ev.ApprovalDecided, step, st.booleans(), text, refs, text, text),
    st.builds(ev.RunPaused, text, text),
    st.builds(ev.RunResumed, text, text),
    st.builds(ev.RunRetried, count, steps, text, text, text, steps),
    st.builds(ev.RunRendered, text, st.none() | refs, text, st.none() | failures),
)


@given(events)
def test_a_stored_event_is_the_same_event(event: ev.Event) -> None:
    """P7: written as JSON text and read back, nothing is lost and nothing is another type.

    P3: and the body is equal already, or a commit whose answer was lost would not be known again.
    """
    name, number, body = codec.encode(event)
    stored = json.loads(json.dumps(body))

    again = codec.decode(name, number, stored)

    assert stored == body
    assert again == event
    assert repr(again) == repr(event)
    assert name == codec.type_of(event)


def test_every_event_has_a_name_of_its_own() -> None:
    """A new event without a name could not be stored; names are noun and participle."""
    assert set(codec.TYPES.values()) == set(KINDS)
    assert len(codec.TYPES) == len(KINDS)
    assert all(len(name.split(".")) == 2 for name in codec.TYPES)


def test_defaults_are_left_out_of_the_body() -> None:
    """A body holds what differs from the ordinary, and no step number."""
    event = ev.StepCompleted(4, 1, Ref("out"))

    assert codec.encode(event) == ("step.completed", 4, {"attempt": 1, "output": "out"})
    assert codec.encode(ev.RunRepaired("r")) == ("run.repaired", None, {"reason": "r"})


def test_a_name_from_the_future_is_refused() -> None:
    """An older version cannot guess what a newer event means."""
    with pytest.raises(KeyError, match="improved"):
        codec.decode("step.improved", 1, {})


def test_what_is_decided_can_be_stored() -> None:
    """P7: whole decisions go through the store and come back equal."""
    state = a_run_of(a_graph("a*2", "b!tolerate", "c"), "a yes", "b yes", "c yes")
    for words in (["a flaky", "b failed", "c done"], ["cancel"], ["a lost"]):
        decision = decided(state, *words)

        stored = [codec.encode(event) for event in decision.events]

        assert tuple(codec.decode(*row) for row in stored) == decision.events


DEFAULTS = {
    "run.started excluded": (),
    "step.dispatched prompt": None,
    "step.retrying epoch": 0,
    "step.retrying usage": Usage(),
    "step.retrying counted": True,
    "step.retrying record": None,
    "step.retrying partial": None,
    "step.retrying prompt": None,
    "step.completed epoch": 0,
    "step.completed usage": Usage(),
    "step.completed losses": Losses(),
    "step.completed record": None,
    "step.failed tolerated": False,
    "step.failed epoch": 0,
    "step.failed usage": Usage(),
    "step.failed record": None,
    "step.failed partial": None,
    "step.cancelled epoch": 0,
    "run.completed degraded": False,
    "run.failed report": None,
    "step.expanded dropped": 0,
    "call.requested persona": None,
    "call.requested max_attempts": 1,
    "call.requested total_seconds": 1800.0,
    "approval.requested expires_seconds": None,
    "approval.decided comment": "",
    "approval.decided then": "",
    "run.retried from_step": "",
    "run.retried reopened": (),
    "run.rendered report": None,
    "run.rendered outcome": "",
    "run.rendered error": None,
}


def test_a_default_may_be_left_out_for_ever() -> None:
    """Bodies are read with the defaults of today: each optional field is a plain value."""
    names = {kind: name for name, kind in codec.TYPES.items()}
    optional = {
        f"{names[kind]} {field.name}": field.default
        for kind in KINDS
        for field in fields(kind)
        if field.default is not MISSING
    }

    assert optional == DEFAULTS
