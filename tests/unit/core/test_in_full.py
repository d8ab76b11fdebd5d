"""What an offer, an end and a stop say in full: reasons, limits, losses, and by whose lease."""

from __future__ import annotations

import pytest

from builders import WAIT, a_graph, a_run, an_epoch, decided, what_happens
from flowrunner.core import events as ev
from flowrunner.core import inputs as inp
from flowrunner.core.bodies import NOTHING
from flowrunner.core.decision import SetTimer
from flowrunner.core.graph import ApprovalSpec, EachSpec, Graph, Limits, Siblings, StepKind
from flowrunner.core.model import Failure, Losses, Ref
from flowrunner.core.scheduling import decide

PATIENT = {"limits": Limits(queue_seconds=30.0)}
ASKING = {"kind": StepKind.APPROVAL, "approval": ApprovalSpec()}
LIST = {"each": EachSpec()}


def test_an_offer_lies_as_long_as_its_step_says() -> None:
    """F31: each attempt has a limit of its own, and none where the step has none."""
    state = a_run(a_graph("a()*2", "b()", base_seconds=0.0, a=PATIENT))

    assert decide(state, []).timers == ()
    assert decided(state, "a flaky").timers == (SetTimer(inp.TimerKind.QUEUE, 0, 2, 30.0),)
    assert decided(a_run(a_graph("a", a=PATIENT)), "a yes").timers == (
        SetTimer(inp.TimerKind.QUEUE, 0, 1, 30.0),
    )


def test_a_wait_of_less_than_a_second_is_a_wait() -> None:
    """F30: whatever is more than nothing needs its timer; without one nothing would come (P4)."""
    (timer,) = decided(a_run(a_graph("a()*2", base_seconds=0.5)), "a flaky").timers

    assert (timer.kind, timer.step, timer.token) == (inp.TimerKind.RETRY, 0, 1)
    assert 0 < timer.delay_seconds <= 0.5


def test_what_was_lost_of_an_output_stays_with_it() -> None:
    """P11: a cut output says in the log by how much."""
    state = a_run(a_graph("a", "b"), "a yes")
    epoch = an_epoch(0, 1)
    said = inp.Succeeded(Ref("cut"), losses=Losses(12, 3))

    decision = decide(state, [inp.TaskSettled(0, 1, epoch, said)])

    assert decision.events == (ev.StepCompleted(0, 1, Ref("cut"), epoch, losses=Losses(12, 3)),)


def test_what_no_lease_ended_names_none() -> None:
    """I5, P2: epoch 0 says that nobody held it: a wait, and a step that a person stops."""
    graph = a_graph("w", "a()!tolerate", "z()", w=WAIT)
    state = a_run(graph, "w sleeps")
    stopped = Failure("stopped", "stopped by ann: too slow")

    assert decided(state, "w awake").events == (ev.StepCompleted(0, 1, NOTHING, 0),)
    assert decided(state, "a stop").events == (ev.StepFailed(1, 1, stopped, tolerated=True),)


@pytest.mark.parametrize(
    ("word", "reason"), [("a done", "parent_ended"), ("a failed", "parent_failed")]
)
def test_a_call_that_nobody_waits_for_says_why_it_was_stopped(word: str, reason: str) -> None:
    """R2-48, D2-13: with its code ended, well or badly, a call has nobody to answer."""
    state = a_run(a_graph("a()!tolerate", "b()"), "a calls:x")

    assert what_happens(state, word)[1:] == [f"a/x cancelled: {reason}"]


def test_calls_of_a_lists_members_are_stopped_for_the_same_reason() -> None:
    """R2-48, F13: down to the grandchildren the log says that the list failed."""
    state = a_run(a_graph("a()!tolerate", "b()", a=LIST), "a has:x,y", "a[x] calls:k")

    happened = what_happens(state, "a stop")

    assert [line for line in happened if "cancelled" in line] == [
        "a[x] cancelled: parent_failed",
        "a[x]/k cancelled: parent_failed",
        "a[y] cancelled: parent_failed",
    ]


def test_who_drains_lets_work_end_and_nothing_else() -> None:
    """D2-07: code whose call has ended is at work; so is a list with a member at work."""
    steps = a_graph("bad()", "code()", "list()", "idle", "ask", list=LIST, ask=ASKING).steps
    graph = Graph(steps, siblings=Siblings.DRAIN)
    state = a_run(graph, "code calls:x", "code/x done", "list has:m", "ask asks")

    assert what_happens(state, "bad failed") == [
        "bad#1 failed: agent_error",
        "idle cancelled: sibling_failed",
        "ask cancelled: sibling_failed",
    ]
