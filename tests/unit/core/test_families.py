"""Steps with children: lists, windows, quorums, loops; and why a step is skipped."""

from __future__ import annotations

from typing import Any

import pytest

from builders import a_graph, a_run, decided, told, what_happens
from flowrunner.core import events as ev
from flowrunner.core import inputs as inp
from flowrunner.core.decision import Verdict
from flowrunner.core.graph import EachSpec, OnSkip, Overflow, RepeatSpec, Trigger
from flowrunner.core.model import Failure, Ref, RunState
from flowrunner.core.scheduling import decide

BAD = ["render what there is?"]


def a_list(*words: str, **spec: Any) -> RunState:
    """A run with a list l of code, and o beside it."""
    return a_run(a_graph("l()", "o()", l={"each": EachSpec(**spec)}), *words)


def a_loop(*words: str, **spec: Any) -> RunState:
    return a_run(a_graph("r()", "o()", r={"repeat": RepeatSpec(**spec)}), *words)


def test_a_list_becomes_its_members_and_is_gathered_once() -> None:
    """F13: the last member's end asks for the results; before that nobody can gather them."""
    state = a_list("l has:x,y")

    assert decided(state, "l gathered").verdicts == (Verdict.LATE,)
    assert what_happens(state, "l[x] done") == ["l[x]#1 completed"]
    both = told(state, *[each for key in "xy" for each in ends(state, key)])
    assert what_happens(both, "l gathered") == ["l#0 completed"]
    done = a_list("l has:x", "l[x] done", "l gathered")
    assert decided(done, "l gathered").verdicts == (Verdict.LATE,)


def ends(state: RunState, key: str) -> list[inp.Input]:
    number = next(n for n, spec in enumerate(state.specs()) if spec.key == f"l[{key}]")
    return [inp.TaskSettled(number, 1, 1000 + number, inp.Succeeded(Ref(key)))]


@pytest.mark.parametrize(
    ("spec", "word", "lines"),
    [
        ({}, "l has:", ["l expanded: ", "gather l?"]),
        (
            {"max_items": 2},
            "l has:x,y,z",
            ["l#0 failed: too_many_items", "o cancelled: sibling_failed", *BAD],
        ),
        (
            {"max_items": 2},
            "l has:x,y",
            ["l expanded: x y", "l[x]#1 dispatched", "l[y]#1 dispatched"],
        ),
        (
            {"max_items": 2, "overflow": Overflow.FIRST},
            "l has:x,y,z",
            ["l expanded: x y", "l[x]#1 dispatched", "l[y]#1 dispatched"],
        ),
        ({"parallel": 1}, "l has:x,y", ["l expanded: x y", "l[x]#1 dispatched"]),
        (
            {"quorum_count": 2},
            "l has:x",
            ["l#0 failed: quorum_missed", "o cancelled: sibling_failed", *BAD],
        ),
        (
            {"quorum_count": 1},
            "l has:x",
            ["l expanded: x", "l[x]#1 dispatched"],
        ),
    ],
    ids=["empty", "too-long", "as-long", "cut", "window", "quorum-out-of-reach", "quorum-met"],
)
def test_a_list_begins(spec: dict[str, Any], word: str, lines: list[str]) -> None:
    """F13, P11: bounds are looked at before anything is offered; what is cut is counted."""
    assert what_happens(a_list(**spec), word) == lines


def test_what_a_list_lacks_or_loses_is_said_in_numbers() -> None:
    """P11, R2-46: the event counts what was cut, the errors say how many of how many."""
    cut = decided(a_list(max_items=1, overflow=Overflow.FIRST), "l has:x,y,z").events[0]
    long = decided(a_list(max_items=1), "l has:x,y").events[0]
    few = decided(a_list(quorum_count=2), "l has:x").events[0]

    assert cut == ev.StepExpanded(0, 2, ("x",), Ref("list"), total=3, needed=1, dropped=2)
    assert errors(long) == ("too_many_items", "the list has 2 members, at most 1 are allowed")
    assert errors(few) == ("quorum_missed", "the list has 1 members, but 2 must complete")


def errors(event: ev.Event) -> tuple[str, str]:
    assert isinstance(event, ev.StepFailed)
    return event.error.code, event.error.message


def test_the_window_moves_by_one() -> None:
    """F13: who ends lets the next one go, past those that have ended already."""
    state = a_list("l has:x,y,z", parallel=1)

    assert what_happens(state, "l[x] done") == ["l[x]#1 completed", "l[y]#1 dispatched"]
    stopped = a_list("l has:x,y,z", "l[y] stop", parallel=1, quorum_count=1)
    assert what_happens(stopped, "l[x] done") == ["l[x]#1 completed", "l[z]#1 dispatched"]


def test_a_quorum_bears_failures_until_it_cannot() -> None:
    """F13: the failure that makes it impossible ends the list at once, and says how it stood."""
    state = a_list("l has:x,y,z", "l[x] failed", quorum_count=2)

    assert what_happens(state, "l[y] failed") == [
        "l[y]#1 failed: agent_error, tolerated",
        "l#0 failed: children_failed",
        "l[z] cancelled: parent_failed",
        "o cancelled: sibling_failed",
        *BAD,
    ]
    told_ = errors(decided(state, "l[y] failed").events[1])
    assert told_ == ("children_failed", "2 of 3 members failed, 2 must complete")
    enough = a_list("l has:x,y,z", "l[x] failed", "l[y] done", quorum_count=2)
    assert what_happens(enough, "l[z] done") == ["l[z]#1 completed", "gather l?"]


def test_results_that_cannot_be_gathered_fail_the_list() -> None:
    """D2-05: what the author's code raises is its step's failure."""
    state = a_list("l has:x", "l[x] done")
    raised = inp.Gathered(0, Failure("definition_error", "it raised"))

    events = decide(state, [raised]).events

    assert errors(events[0]) == ("definition_error", "it raised")


def test_a_loop_goes_on_until_it_is_over() -> None:
    """F15: each iteration is judged once; the last one that may be is the last one."""
    state = a_loop("r[1] done", at_most=2)

    assert what_happens(a_loop(at_most=2), "r[1] done") == ["r[1]#1 completed", "judge r 1?"]
    assert what_happens(state, "r over") == ["r#0 completed"]
    assert what_happens(state, "r again") == ["r iterated: 2", "r[2]#1 dispatched"]
    last = a_loop("r[1] done", "r again", "r[2] done", at_most=2)
    stale = inp.LoopJudged(0, 1, answer=True, output=Ref("x"))
    assert decide(last, [stale]).verdicts == (Verdict.LATE,)
    assert what_happens(last, "r over") == ["r#0 completed"]


@pytest.mark.parametrize("fails", [True, False])
def test_a_loop_that_is_never_over_ends(*, fails: bool) -> None:
    """F15: exhausted, it is a failure or its last result, as the author says."""
    state = a_loop("r[1] done", at_most=1, fails_when_exhausted=fails)
    failed = ["r#0 failed: loop_exhausted", "o cancelled: sibling_failed", *BAD]

    assert what_happens(state, "r again") == (failed if fails else ["r#0 completed"])
    if fails:
        told_ = errors(decided(state, "r again").events[0])
        assert told_ == ("loop_exhausted", "not done after 1 iterations")


def test_an_iteration_that_fails_fails_its_loop() -> None:
    """F15: nobody judges what failed; and a judge that raises is the loop's failure."""
    state = a_loop(at_most=3)
    raised = inp.LoopJudged(0, 1, Failure("definition_error", "it raised"))

    assert errors(decided(state, "r[1] failed").events[1]) == (
        "children_failed",
        "1 of 1 iterations failed, 1 must complete",
    )
    judged = decide(a_loop("r[1] done", at_most=3), [raised])
    assert errors(judged.events[0]) == ("definition_error", "it raised")
    early = inp.LoopJudged(0, 1, answer=True, output=Ref("x"))
    assert decide(state, [early]).verdicts == (Verdict.LATE,)


TRIGGERS = {
    (Trigger.ALL, "a done"): "c#1 dispatched",
    (Trigger.ALL, "a failed"): "c#1 dispatched",
    (Trigger.ANY, "a done"): "c#1 dispatched",
    (Trigger.ANY, "a failed"): "c skipped: need_failed",
    (Trigger.NONE_FAILED, "a done"): "c#1 dispatched",
    (Trigger.NONE_FAILED, "a failed"): "c skipped: need_failed",
    (Trigger.ALL_DONE, "a done"): "c#1 dispatched",
    (Trigger.ALL_DONE, "a failed"): "c#1 dispatched",
}


@pytest.mark.parametrize(("trigger", "word"), TRIGGERS)
def test_a_trigger_says_when_a_step_may_begin(trigger: Trigger, word: str) -> None:
    """F12: after a skipped and an ended need; while one has not ended nothing is said."""
    graph = a_graph("a()!tolerate", "b?", "c()<-a,b", c={"trigger": trigger})

    assert what_happens(a_run(graph, "b no"), word)[1] == TRIGGERS[trigger, word]
    if trigger is not Trigger.ANY:
        assert what_happens(a_run(graph), word)[1:] == []


def test_where_nothing_was_to_be_done_any_of_it_is_enough() -> None:
    """R2-20, F12: skips satisfy; a failure beside them does not."""
    graph = a_graph("a!tolerate", "b?", "c()<-a,b", c={"trigger": Trigger.ANY})
    skipped = a_graph("a?", "b?", "c()<-a,b", c={"trigger": Trigger.ANY})

    assert what_happens(a_run(skipped, "a no"), "b no")[1:] == ["c#1 dispatched"]
    assert what_happens(a_run(graph, "a failed"), "b no")[1] == "c skipped: need_failed"


@pytest.mark.parametrize(
    ("first", "changes", "word"),
    [("a()!cascade", {}, "a failed"), ("a?", {"a": {"on_skip": OnSkip.CASCADE}}, "a no")],
    ids=["failed", "skipped"],
)
def test_a_cut_goes_all_the_way_down(first: str, changes: dict[str, Any], word: str) -> None:
    """R2-20, F12: whoever needs it, and whoever needs those, is skipped for that reason."""
    state = a_run(a_graph(first, "b()<-a", "c()<-b", "d()", **changes))

    assert what_happens(state, word)[1:] == ["b skipped: need_cut", "c skipped: need_cut"]


@pytest.mark.parametrize("first", [True, False], ids=["child-first", "parent-first"])
@pytest.mark.parametrize("key", ["a", "l[m]"])
def test_a_child_is_heard_before_its_parent(key: str, *, first: bool) -> None:
    """D2-32: of one batch both results are kept, for the parent's end would stop the child."""
    graph = a_graph("a()", "l()", l={"each": EachSpec()})
    state = a_run(graph, "l has:m", f"{key} calls:x")
    words = [f"{key}/x done", f"{key} done"]

    happened = what_happens(state, *(words if first else reversed(words)))

    assert happened[:2] == [f"{key}/x#1 completed", f"{key}#1 completed"]


def test_the_very_first_child_is_heard_before_its_parent() -> None:
    """D2-32: children are numbered from where the steps of the graph end."""
    state = a_run(a_graph("a()", "b()"), "a calls:x")

    assert what_happens(state, "a done", "a/x done") == ["a/x#1 completed", "a#1 completed"]
