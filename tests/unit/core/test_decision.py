"""Two decisions taken one after the other, committed as one."""

from builders import a_graph, a_run, a_word, decided, told
from flowrunner.core.decision import Decision, Prepare, Verdict
from flowrunner.core.folding import fold
from flowrunner.core.scheduling import decide_and_fold
from stories import questions, story


def test_joining_keeps_everything_in_order() -> None:
    """Events, guards, timers and verdicts follow each other; only the later questions stay."""
    state = a_run(a_graph("a*2", "b()*2", "c<-b"), "a yes")
    first = decided(state, "b done", "a flaky")
    middle = told(state, a_word(state, "b done"), a_word(state, "a flaky"))
    second = decided(middle, "c yes", "a due")

    joined = first.then(second)

    assert questions(state.graph, first.asks) == ["prepare c?"]
    assert story(state.graph, joined.events) == [
        "b#1 completed",
        "a#1 retrying: overloaded",
        "c#1 dispatched",
        "a#2 dispatched",
    ]
    assert joined.guards == first.guards + second.guards
    assert (len(joined.guards), len(joined.timers)) == (3, 1)
    assert joined.verdicts == (Verdict.ACCEPTED,) * 4
    assert joined.asks == ()


def test_the_later_questions_are_the_open_ones() -> None:
    """What the first decision asked was answered before the second one was taken."""
    asked = Decision(asks=(Prepare(0),))

    assert asked.then(Decision(asks=(Prepare(1),))).asks == (Prepare(1),)
    assert asked.then(Decision()) == Decision()


def test_deciding_has_done_the_work_of_folding() -> None:
    """P7: what comes back beside a decision is what its events make of the run, or the run itself."""
    state = a_run(a_graph("a", "b<-a"), "a yes")
    done = a_word(state, "a done")

    decision, after = decide_and_fold(state, [done])
    _nothing, same = decide_and_fold(after, [done])

    assert after == fold(state, decision.events) != state
    assert same is after
