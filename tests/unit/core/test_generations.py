"""A run begins anew: what is done again, what stays, and what is answered from before."""

from __future__ import annotations

import pytest

from builders import a_graph, a_run, a_word, after, decided, told, what_happens
from flowrunner.core import events as ev
from flowrunner.core import inputs as inp
from flowrunner.core.decision import SetTimer, Verdict
from flowrunner.core.generations import restored
from flowrunner.core.graph import EachSpec, Trigger
from flowrunner.core.model import Failure, Opening, RunState
from flowrunner.core.scheduling import decide
from stories import statuses

LIST = {"each": EachSpec()}
WINDOW = {"each": EachSpec(parallel=1)}
FAILED = a_run(
    a_graph("a", "b<-a", "c!tolerate", "d<-b,c", deadline=60.0),
    "a done",
    "c failed",
    "b failed",
    "report",
)


@pytest.mark.parametrize(
    ("word", "lines"),
    [
        ("retry", ["run retried, generation 2: b c d", "prepare c?", "prepare b?"]),
        ("a retry", ["run retried, generation 2: a b d", "prepare a?"]),
        ("c retry", ["run retried, generation 2: b c d", "prepare c?", "prepare b?"]),
        ("d retry", ["run retried, generation 2: b d", "prepare b?"]),
    ],
)
def test_what_is_bad_begins_anew_with_what_depends_on_it(word: str, lines: list[str]) -> None:
    """F40: all that failed, or what is named and what keeps the run from ending well."""
    assert what_happens(FAILED, word)[0] == lines[0]
    assert sorted(what_happens(FAILED, word)[1:]) == sorted(lines[1:])


def test_who_began_it_anew_and_how_long_it_has() -> None:
    """F40: the event names person, reason and step; the deadline begins again, by generation."""
    again, named = decided(FAILED, "retry"), decided(FAILED, "d retry")

    assert again.events == (ev.RunRetried(2, (1, 2, 3), "once more", "ann"),)
    assert named.events == (ev.RunRetried(2, (1, 3), "once more", "ann", "d"),)
    assert again.timers == (SetTimer(inp.TimerKind.RUN_DEADLINE, inp.RUN_LEVEL, 2, 60.0),)


def test_a_run_that_began_anew_is_a_run() -> None:
    """F40, P7: attempts count on; failures, prompts and the run's error are forgotten."""
    state = told(FAILED, a_word(FAILED, "retry"))

    assert statuses(state) == {
        "run": "running",
        "a": "completed",
        "b": "pending",
        "c": "pending",
        "d": "pending",
    }
    b = state.steps[1]
    assert (b.attempt, b.failures, b.crashes, b.prompt, b.epoch > 0) == (1, 0, 0, None, True)
    assert (state.failure, state.tolerated, state.remaining) == (None, 0, 3)
    assert state.generation == 2
    assert what_happens(state, "b yes") == ["b#2 dispatched"]


def test_what_is_tolerated_again_degrades_again() -> None:
    """R2-17, F40: tolerated failures are those of this generation and of what stayed."""
    state = told(FAILED, a_word(FAILED, "d retry"))

    assert state.tolerated == 1
    assert told(FAILED, a_word(FAILED, "c retry")).tolerated == 0


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (a_run(a_graph("a")), "retry"),
        (a_run(a_graph("a"), "a done", "report"), "retry"),
    ],
    ids=["live", "nothing-bad"],
)
def test_what_cannot_be_done_again_is_refused(state: RunState, word: str) -> None:
    """F40: a live run, and one in which nothing failed, unless a step is named."""
    assert decided(state, word).verdicts == (Verdict.LATE,)
    assert decided(state, word).events == ()


def test_a_good_run_begins_anew_from_a_step() -> None:
    """F40: with a name, whatever ended may be done again."""
    state = a_run(a_graph("a", "b<-a"), "a done", "b done", "report")

    assert what_happens(state, "b retry") == ["run retried, generation 2: b", "prepare b?"]
    assert decided(state, "b retry").timers == ()


def ended_list(*words: str, each: dict[str, EachSpec] = LIST) -> RunState:
    return a_run(a_graph("l()", "z()<-l", l=each), "l has:x,y,z", *words)


def test_of_a_list_only_what_was_bad_is_done_again() -> None:
    """F40, F13: good members keep their results; the list waits for the others only."""
    state = ended_list("l[x] done", "l[y] failed", "report")

    assert what_happens(state, "retry") == [
        "run retried, generation 2: z l[y] l[z] (l)",
        "l[y]#2 dispatched",
        "l[z]#2 dispatched",
    ]
    family = told(state, a_word(state, "retry")).steps[0].family
    assert family is not None
    assert (family.live, family.completed, family.failed, family.released) == (2, 1, 0, 3)


def test_what_failed_in_something_good_is_done_again() -> None:
    """F40, F13, D2-13: a member that a quorum bore, a call whose failure was an answer."""
    borne = a_run(
        a_graph("l()", l={"each": EachSpec(quorum_count=1)}),
        *("l has:x,y", "l[x] failed", "l[y] done", "l gathered", "report"),
    )
    called = a_run(a_graph("a()"), "a calls:x", "a/x failed", "a done", "report")

    assert what_happens(borne, "retry") == [
        "run retried, generation 2: l[x] (l)",
        "l[x]#2 dispatched",
    ]
    assert what_happens(called, "retry")[0] == "run retried, generation 2: a"


def test_a_window_holds_when_a_list_goes_on() -> None:
    """F13, F40: as many at once as before, and no more."""
    state = ended_list("l[x] failed", "report", each=WINDOW)

    assert what_happens(state, "retry") == [
        "run retried, generation 2: z l[x] l[y] l[z] (l)",
        "l[x]#2 dispatched",
    ]


def test_a_member_that_was_good_may_be_named() -> None:
    """F40: that one only; the list itself, named, is made from its beginning."""
    state = ended_list("l[x] done", "l[y] done", "l[z] done", "l gathered", "z done", "report")

    assert what_happens(state, "l[y] retry") == [
        "run retried, generation 2: z l[y] (l)",
        "l[y]#2 dispatched",
    ]
    assert what_happens(state, "l retry") == ["run retried, generation 2: l z", "prepare l?"]
    again = told(state, a_word(state, "l[y] retry")).steps[0].family
    assert again is not None
    assert (again.live, again.completed, again.failed) == (1, 2, 0)
    anew = told(state, a_word(state, "l retry"))
    assert anew.steps[0].family is None
    assert decided(anew, "l[y] stop").verdicts == (Verdict.LATE,)


def test_what_was_excluded_is_waited_through_again() -> None:
    """R2-20, F40: a step behind an excluded one begins when what that one needed has ended."""
    graph = a_graph("a()", "b()<-a", "c()<-b")
    state = a_run(graph, "a failed", "report", excluded=["b"])
    anew = told(state, a_word(state, "retry"))

    assert what_happens(state, "retry") == ["run retried, generation 2: a c", "a#2 dispatched"]
    assert what_happens(anew, "a done") == ["a#2 completed", "c#1 dispatched"]


def test_a_list_that_could_not_be_gathered_is_gathered_again() -> None:
    """F40, P4: no member is bad, so none is done again, and somebody has to be asked."""
    members = a_run(a_graph("l()", l=LIST), "l has:x,y", "l[x] done", "l[y] done")
    raised = inp.Gathered(0, Failure("definition_error", "it raised"))
    state = after(told(members, raised), "report")

    assert what_happens(state, "retry") == ["run retried, generation 2: (l)", "gather l?"]


def test_a_list_that_began_anew_takes_nothing_along_any_more() -> None:
    """F12, F40: its dependents were skipped with it, and wait for it again."""
    graph = a_graph("l()!cascade", "z()<-l", "bad()", l=LIST)
    state = a_run(graph, "l has:x", "l[x] failed", "bad failed", "report")

    assert state.steps[0].cascades is True
    assert told(state, a_word(state, "retry")).steps[0].cascades is False


@pytest.mark.parametrize(
    "history",
    [
        ["a done", "b no", "d failed"],
        ["a done", "b broken"],
        ["a failed", "b no", "d failed"],
        ["b no", "d done"],
        ["a failed", "report", "retry"],
        [],
    ],
    ids=["skipped", "broken", "cut", "open", "again", "new"],
)
def test_how_needs_ended_is_counted_from_how_they_stand(history: list[str]) -> None:
    """P7: counters are not stored: a restart finds them from statuses, excluded steps and all."""
    graph = a_graph(
        *(
            "a()!cascade",
            "b?",
            "c()<-a",
            "d()!tolerate",
            "e()<-d,b",
            "x()<-c,d",
            "f()<-x",
            "g()<-a",
        ),
        g={"trigger": Trigger.ALL_DONE},
        e={"trigger": Trigger.ANY},
    )
    state = a_run(graph, *history, excluded=["x"])
    stored = [
        step._replace(waiting=0, done=0, bad=0, cut=0, opening=Opening.SHUT) for step in state.steps
    ]

    assert restored(graph, stored) == list(state.steps)


def test_what_was_excluded_and_passed_is_waited_through_anew() -> None:
    """R2-20, F40: the first time it let its dependents go; now its own need begins again."""
    graph = a_graph("a()", "b()<-a", "c()<-b")
    state = a_run(graph, "a done", "c failed", "report", excluded=["b"])
    anew = told(state, a_word(state, "a retry"))

    assert what_happens(state, "a retry") == ["run retried, generation 2: a c", "a#2 dispatched"]
    assert what_happens(anew, "a done") == ["a#2 completed", "c#2 dispatched"]


def test_two_lists_are_both_opened_again() -> None:
    """F40, F13: each with those of its members that were bad; the very first member as well."""
    graph = a_graph("l()!tolerate", "m()!tolerate", l=LIST, m=LIST)
    state = a_run(graph, "l has:x", "m has:y", "l[x] failed", "m[y] failed", "report")

    assert what_happens(state, "retry") == [
        "run retried, generation 2: l[x] m[y] (l) (m)",
        "l[x]#2 dispatched",
        "m[y]#2 dispatched",
    ]
    assert "l[x]" in what_happens(state, "l[x] retry")[0]


def test_a_member_of_an_earlier_generation_cannot_be_named() -> None:
    """F40: its list was made anew without it."""
    done = ("l has:x", "l[x] done", "l gathered", "report")
    state = after(a_run(a_graph("l()", l=LIST), *done), "l retry", *done)
    earlier = inp.RetryRequested("once more", "ann", 1)

    assert decide(state, [earlier]).verdicts == (Verdict.LATE,)
    assert what_happens(state, "l[x] retry")[0] == "run retried, generation 3: l[x] (l)"
    bad = (*done[:3], "z failed", "report")
    failed = after(a_run(a_graph("l()", "z()", l=LIST), *bad), "l retry", *bad)
    assert decide(failed, [inp.RetryRequested("once more", "ann", 2)]).events == ()


def test_a_failure_that_a_quorum_bore_is_still_borne() -> None:
    """R2-17, F40: what stays as it is degrades the run as before."""
    graph = a_graph("l()", "z()", l={"each": EachSpec(quorum_count=1)})
    state = a_run(graph, "l has:x,y", "l[x] failed", "l[y] done", "l gathered", "z done", "report")

    assert (state.tolerated, told(state, a_word(state, "z retry")).tolerated) == (1, 1)
