"""What an offer, an end and a stop say in full: reasons, limits, losses, and by whose lease."""

from __future__ import annotations

import pytest

from builders import WAIT, a_graph, a_run, a_word, an_epoch, decided, told, what_happens
from flowrunner.core import events as ev
from flowrunner.core import inputs as inp
from flowrunner.core.bodies import NOTHING
from flowrunner.core.decision import LeaseGuard, SetTimer, TimerGuard, Verdict
from flowrunner.core.folding import fold
from flowrunner.core.graph import ApprovalSpec, EachSpec, Graph, Limits, Siblings, StepKind
from flowrunner.core.model import Failure, FailureClass, Losses, Ref
from flowrunner.core.scheduling import decide
from flowrunner.core.settling import MAX_CALLS

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


def test_a_task_that_nobody_takes_fails_in_time() -> None:
    """F31: only while nobody holds it, which the commit checks; and the error says how long it lay."""
    state = a_run(a_graph("a!tolerate", "b", a=PATIENT), "a yes", "b yes")
    error = Failure("queue_timeout", "no worker took it within 30.0 seconds")

    decision = decided(state, "a unclaimed")

    assert decision.events == (ev.StepFailed(0, 1, error, tolerated=True),)
    assert decision.guards == (LeaseGuard(0, 1, 0), TimerGuard(inp.TimerKind.QUEUE, 0, 1))
    assert decision.verdicts == (Verdict.ACCEPTED,)


@pytest.mark.parametrize(
    ("history", "word"),
    [(["a yes"], "a unclaimed:2"), (["a done"], "a unclaimed:1"), (["w sleeps"], "w awake:2")],
    ids=["another-attempt", "ended", "another-wait"],
)
def test_a_timer_of_something_else_is_late(history: list[str], word: str) -> None:
    """P1: it changes nothing, and what it was set for goes on."""
    state = a_run(a_graph("a", "b", "w", a=PATIENT, w=WAIT), *history)

    assert decided(state, word).verdicts == (Verdict.LATE,)
    assert decided(state, word).events == ()


def test_a_wait_is_over_once() -> None:
    """P1: its timer goes with the commit; what is no wait, or over, is not woken."""
    state = a_run(a_graph("w", "a()", w=WAIT), "w sleeps")

    decision = decided(state, "w awake")

    assert decision.verdicts == (Verdict.ACCEPTED,)
    assert decision.guards == (TimerGuard(inp.TimerKind.WAKE, 0, 1),)
    assert decided(told(state, a_word(state, "w awake")), "w awake").verdicts == (Verdict.LATE,)
    assert decided(state, "a awake").verdicts == (Verdict.LATE,)
    assert decided(state, "a awake").events == ()
    asked = a_run(a_graph("q", q=ASKING), "q asks")
    assert decided(asked, "q awake").events == ()


def test_a_repair_says_what_was_found() -> None:
    """P4, P11: the detector's words, and for each lost thing what is done about it."""
    graph = a_graph("a", "w", "b()", w=WAIT)
    state = a_run(graph, "a yes", "w sleeps")
    gone = Failure("lease_lost", "its task was gone from the queue", FailureClass.LOST)

    decision = decide(state, [inp.StallFound("nobody moves it", (0, 1))])

    assert decision.events == (
        ev.RunRepaired("nobody moves it"),
        ev.StepRetrying(0, 1, gone, 0, 0),
        ev.StepCompleted(1, 1, NOTHING),
        ev.StepDispatched(0, 2, Ref("prompt of a")),
    )


def test_a_step_that_should_have_been_skipped_is() -> None:
    """P4: whoever resumed the run died before it said so."""
    state = a_run(a_graph("a()!cascade", "b()<-a", "c()"), "pause", "a failed")

    resumed = fold(state, [ev.RunResumed("go on", "ann")])

    assert what_happens(resumed, "stall") == ["run repaired", "b skipped: need_cut"]


def test_what_can_never_move_says_so() -> None:
    """R2-23, P11: an error in words that people read."""
    state = a_run(a_graph("a<-b", "b<-a"))

    error = Failure("unsatisfiable", "no step at work, none can begin")
    assert decided(state, "stall").events[0] == ev.RunFailing(error)


def a_call(key: str, attempt: int = 1) -> inp.CallAsked:
    return inp.CallAsked(0, attempt, an_epoch(0, 1), key, Ref("asked"), "critic", 3, 12.5)


def test_a_call_asks_for_all_that_it_was_given() -> None:
    """D2-13, P2: prompt, persona, attempts and time; and only while its code's lease stands."""
    state = a_run(a_graph("a()", "b()"))

    decision = decide(state, [a_call("k")])

    assert decision.events[0] == ev.CallRequested(0, 2, "k", Ref("asked"), "critic", 3, 12.5)
    assert decision.guards == (LeaseGuard(0, 1, an_epoch(0, 1)),)


@pytest.mark.parametrize(
    ("step", "history", "attempt"),
    [("a", ["a yes"], 1), ("a()*2", ["a lost"], 1), ("a()", ["a done"], 1)],
    ids=["an-agent", "an-earlier-attempt", "ended"],
)
def test_who_is_not_at_work_as_code_cannot_call(
    step: str, history: list[str], attempt: int
) -> None:
    """D2-13, P2: what is asked by anybody else means nothing."""
    state = a_run(a_graph(step, "b()"), *history)

    decision = decide(state, [a_call("k", attempt)])

    assert (decision.events, decision.verdicts) == ((), (Verdict.LATE,))


def test_code_that_calls_in_a_circle_comes_to_an_end() -> None:
    """D2-13, P11: a thousand calls, and the next one fails the step that makes it."""
    state = a_run(a_graph("a()!tolerate", "b()"))
    calls = [a_call(str(number)) for number in range(MAX_CALLS + 1)]

    events = decide(state, calls).events

    asked = [event for event in events if isinstance(event, ev.CallRequested)]
    error = Failure("too_many_calls", f"step 'a' made more than {MAX_CALLS} calls")
    assert len(asked) == MAX_CALLS
    assert events[MAX_CALLS] == ev.StepFailed(0, 1, error, tolerated=True, epoch=an_epoch(0, 1))
