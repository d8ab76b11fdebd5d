"""Which steps begin when, and what has to be asked before."""

import pytest

from builders import BROKEN, a_graph, a_run, a_word, decided, told, what_happens
from flowrunner.core import events as ev
from flowrunner.core import inputs as inp
from flowrunner.core.decision import Prepare, Render, Verdict
from flowrunner.core.graph import Graph
from flowrunner.core.model import Ref, RunState
from flowrunner.core.readiness import outstanding
from flowrunner.core.scheduling import decide
from stories import statuses

DIAMOND = a_graph("a", "b<-a", "c<-a", "d<-b,c")


@pytest.mark.parametrize(
    ("history", "word", "expected"),
    [
        ([], "a done", []),
        (["a yes"], "a done", ["a#1 completed", "prepare b?", "prepare c?"]),
        (["a done", "b yes"], "b done", ["b#1 completed"]),
        (["a done", "c done", "b yes"], "b done", ["b#1 completed", "prepare d?"]),
        (["a done", "b done", "c done", "d yes"], "d done", ["d#1 completed", "render?"]),
    ],
)
def test_a_step_waits_for_all_its_needs(history: list[str], word: str, expected: list[str]) -> None:
    """R2-19, R2-21, R2-22, R2-39: the last need to end, and only that one, makes a step ready."""
    state = a_run(DIAMOND, *history)
    batch = [word] if history else []

    assert what_happens(state, *batch) == expected


def test_a_wave_is_dispatched_together() -> None:
    """R2-28: prompts that arrive as one batch are offered by one decision."""
    state = a_run(DIAMOND, "a done")

    assert what_happens(state, "b yes", "c yes") == ["b#1 dispatched", "c#1 dispatched"]


def test_a_dispatch_carries_the_prompt() -> None:
    """R2-51: the prompt's address is in the event and stays with the step."""
    state = a_run(a_graph("a"))

    decision = decided(state, "a yes")

    assert decision.events == (ev.StepDispatched(0, 1, Ref("prompt of a")),)
    assert a_run(a_graph("a"), "a yes").steps[0].prompt == Ref("prompt of a")


def test_code_runs_beside_agents() -> None:
    """R2-25, D2-14, F16: a code step is dispatched with an attempt and delays no agent."""
    state = a_run(a_graph("a", "b()<-a", "c<-a", "d()<-b"), "a yes")

    assert what_happens(state, "a done") == ["a#1 completed", "b#1 dispatched", "prepare c?"]
    assert what_happens(a_run(state.graph, "a done"), "b done") == [
        "b#1 completed",
        "d#1 dispatched",
    ]


@pytest.mark.parametrize("kind", ["", "()"])
def test_a_false_when_skips_the_step(kind: str) -> None:
    """R2-20, R2-24, F11: the step is skipped with an event, and its dependents go on."""
    state = a_run(a_graph(f"a{kind}?", "b()<-a"))

    assert what_happens(state) == []
    assert what_happens(state, "a no") == ["a skipped: when_false", "b#1 dispatched"]


def test_a_when_is_asked_when_the_step_is_ready() -> None:
    """R2-24: not at launch, when there are no results to look at."""
    graph = a_graph("a()", "b()?<-a")

    assert what_happens(a_run(graph), "a done") == ["a#1 completed", "prepare b?"]
    assert what_happens(a_run(graph, "a done"), "b yes") == ["b#1 dispatched"]


def test_skips_do_not_cascade() -> None:
    """R2-20: a fan-in of skipped and completed steps begins as if all had completed."""
    state = a_run(a_graph("a?", "b", "c<-a,b"), "b done")

    assert what_happens(state, "a no") == ["a skipped: when_false", "prepare c?"]


def test_all_skipped_is_complete() -> None:
    """R2-21: a run whose steps all said no still has a report to give."""
    state = a_run(a_graph("a?", "b?"), "a no")

    assert what_happens(state, "b no") == ["b skipped: when_false", "render?"]


@pytest.mark.parametrize("word", ["a yes", "a no", "a broken"])
def test_an_answer_is_heard_once(word: str) -> None:
    """D2-01, D2-12, I7: a second replica's answer to the same question comes late."""
    state = a_run(a_graph("a?", "b"))

    decision = decided(state, word, word)
    after = told(state, a_word(state, word))

    assert decision.verdicts == (Verdict.ACCEPTED, Verdict.LATE)
    assert decided(after, word).verdicts == (Verdict.LATE,)
    assert decided(after, word).events == ()


def test_an_answer_comes_before_an_error() -> None:
    """D2-33, I5: of two replicas one got an answer; in whichever order, that one counts."""
    state = a_run(a_graph("a?", "b"))

    for batch in (("a broken", "a yes"), ("a yes", "a broken")):
        assert what_happens(state, *batch) == ["a#1 dispatched"]


def test_an_answer_nobody_asked_for_is_late() -> None:
    """R2-13: a step that waits for its needs cannot begin because somebody built its prompt."""
    state = a_run(a_graph("a", "b<-a"), "a yes")

    assert decided(state, "b yes", "b no", "b broken").verdicts == (Verdict.LATE,) * 3
    assert what_happens(state, "b yes", "b no", "b broken") == []


def test_a_step_without_a_guard_cannot_be_told_no() -> None:
    """R2-13, P4: nobody can have asked; and a member that is skipped would leave its list undone."""
    state = a_run(a_graph("a"))

    decision = decide(state, [inp.GuardEvaluated(0, answer=False)])

    assert (decision.verdicts, decision.events) == ((Verdict.LATE,), ())


def test_an_agent_never_begins_without_a_prompt() -> None:
    """D2-05: for an agent a plain yes is no answer, its prompt is."""
    state = a_run(a_graph("a?"))

    decision = told(state, inp.GuardEvaluated(0, answer=True))

    assert decision == state


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        (a_graph("a", "b"), ["a#0 failed: definition_error", "b cancelled: sibling_failed"]),
        (a_graph("a!tolerate", "b"), ["a#0 failed: definition_error, tolerated"]),
        (a_graph("a*3", "b"), ["a#0 failed: definition_error", "b cancelled: sibling_failed"]),
    ],
)
def test_user_code_that_raises_fails_its_step(graph: Graph, expected: list[str]) -> None:
    """D2-05: an exception in a `when` or a prompt is that step's failure, and is not retried."""
    state = a_run(graph, "b yes")
    done = [] if "tolerated" in expected[0] else ["render what there is?"]

    assert what_happens(state, "a broken") == [*expected, *done]
    assert told(state, inp.GuardEvaluated(0, BROKEN)) == told(state, inp.PromptBuilt(0, BROKEN))


def test_the_rest_of_a_wave_goes_on() -> None:
    """D2-05: of three prompts the second breaks, and the third is still offered."""
    state = a_run(a_graph("a", "b!tolerate", "c"))

    assert what_happens(state, "a yes", "b broken", "c yes") == [
        "a#1 dispatched",
        "c#1 dispatched",
        "b#0 failed: definition_error, tolerated",
    ]


@pytest.mark.parametrize(
    ("state", "asks"),
    [
        (a_run(DIAMOND), [Prepare(0)]),
        (a_run(DIAMOND, "a yes"), []),
        (a_run(DIAMOND, "a done", "c yes"), [Prepare(1)]),
        (a_run(DIAMOND, "a done", "b done", "c done", "d done"), [Render(partial=False)]),
        (a_run(DIAMOND, "a failed"), [Render(partial=True)]),
        (a_run(DIAMOND, "cancel"), []),
        (a_run(a_graph("a*2"), "a flaky"), []),
    ],
)
def test_a_loaded_run_knows_what_to_ask(state: RunState, asks: list[Prepare | Render]) -> None:
    """What was asked before a crash is asked again, from the state alone."""
    assert list(outstanding(state)) == asks


def test_statuses_follow_the_events() -> None:
    """The run at one instant, step by step."""
    state = a_run(a_graph("a", "b?<-a", "c()<-a", "d<-c"), "a done", "b no")

    assert statuses(state) == {
        "run": "running",
        "a": "completed",
        "b": "skipped",
        "c": "running",
        "d": "pending",
    }
