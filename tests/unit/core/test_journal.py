"""Code that begins anew is answered from its journal: what completed is not paid for again."""

from __future__ import annotations

from builders import a_graph, a_run, a_word, decided, told, what_happens
from flowrunner.core.decision import Verdict
from flowrunner.core.model import Family


def test_what_something_good_had_stopped_is_not_done_again() -> None:
    """F40, D2-13: code that ended well did not need the call that it left open."""
    state = a_run(a_graph("a()"), "a calls:x", "a done", "report")

    assert decided(state, "retry").verdicts == (Verdict.LATE,)


def test_finished_calls_are_not_paid_for_again() -> None:
    """D2-13, F40: the journal answers what completed; named, the code asks everything anew."""
    state = a_run(a_graph("a()"), "a calls:x", "a/x done", "a calls:y", "a failed", "report")

    anew, named = (told(state, a_word(state, word)) for word in ("retry", "a retry"))

    assert anew.steps[0].family == Family(size=1, completed=1, calls=(("x", 1),))
    assert decided(anew, "a calls:x").verdicts == (Verdict.DUPLICATE,)
    assert what_happens(anew, "a calls:y") == ["a called: y", "a/y#1 dispatched"]
    assert named.steps[0].family is None


def test_code_whose_needs_are_made_anew_asks_anew() -> None:
    """D2-13, F40: its inputs change, and so may what it asks."""
    state = a_run(a_graph("a()", "b()<-a"), "a done", "b calls:x", "b/x done", "b failed", "report")

    assert told(state, a_word(state, "a retry")).steps[1].family is None
    assert told(state, a_word(state, "retry")).steps[1].family is not None


def test_code_none_of_whose_calls_ended_has_no_journal() -> None:
    """D2-13, F40: what was stopped is asked for anew."""
    state = a_run(a_graph("a()"), "a calls:x", "a failed", "report")

    assert told(state, a_word(state, "retry")).steps[0].family is None


def test_a_call_that_is_named_is_made_again() -> None:
    """F40, D2-13: that one; the journal answers the others."""
    state = a_run(
        a_graph("a()"),
        *("a calls:x", "a/x done", "a calls:y", "a/y done", "a failed", "report"),
    )

    anew = told(state, a_word(state, "a/x retry"))

    assert anew.steps[0].family == Family(size=1, completed=1, calls=(("y", 2),))
