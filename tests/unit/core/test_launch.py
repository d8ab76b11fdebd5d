"""How a run begins: roots, exclusions, the deadline, and beginning twice."""

import pytest

from builders import a_graph, a_run, decided, launched, told, what_happens
from flowrunner.core import events as ev
from flowrunner.core.decision import Prepare, SetTimer, Verdict
from flowrunner.core.graph import Graph
from flowrunner.core.inputs import RUN_LEVEL, CancelRequested, TimerKind
from flowrunner.core.model import RunStatus, unstarted
from flowrunner.core.scheduling import decide
from stories import questions, statuses, story


def launch(graph: Graph, *excluded: str) -> list[str]:
    decision = decide(unstarted(graph), [launched(graph, *excluded)])
    return [*story(graph, decision.events), *questions(graph, decision.asks)]


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        (a_graph("a", "b", "c<-a"), ["run started", "prepare a?", "prepare b?"]),
        (a_graph("a()", "b"), ["run started", "a#1 dispatched", "prepare b?"]),
        (a_graph("a()?", "b()<-a"), ["run started", "prepare a?"]),
        (a_graph("b()<-a", "a()"), ["run started", "a#1 dispatched"]),
        (a_graph(), ["run started", "render?"]),
    ],
)
def test_roots_begin_at_once(graph: Graph, expected: list[str]) -> None:
    """R2-19, R2-28, D2-14: all roots begin together; only agents and `when`s are asked about."""
    assert launch(graph) == expected


def test_a_launch_says_what_runs() -> None:
    """One event carries flow, band, definition and what was excluded why; it is first."""
    graph = a_graph("a", "b")

    decision = decide(unstarted(graph), [launched(graph, "b")])

    assert decision.events == (ev.RunStarted("review", "small", "d0", ((1, "gate"),)),)
    assert decision.asks == (Prepare(0),)
    assert (decision.guards, decision.timers) == ((), ())
    assert decision.verdicts == (Verdict.ACCEPTED,)


def test_a_launched_run_is_live() -> None:
    """R2-05, R2-07: nothing stands between the launch and running; steps keep the flow's order."""
    state = a_run(a_graph("b<-a", "a", "c"), excluded=["c"])

    assert (state.status, state.version) == (RunStatus.RUNNING, 1)
    assert list(statuses(state).items()) == [
        ("run", "running"),
        ("b", "pending"),
        ("a", "pending"),
        ("c", "excluded"),
    ]


@pytest.mark.parametrize(
    ("excluded", "expected"),
    [
        (("a",), ["run started -a", "b#1 dispatched"]),
        (("a", "b"), ["run started -a -b", "c#1 dispatched"]),
        (("b", "a"), ["run started -b -a", "c#1 dispatched"]),
        (("b",), ["run started -b", "a#1 dispatched"]),
        (("a", "b", "c"), ["run started -a -b -c", "render?"]),
    ],
)
def test_an_excluded_step_holds_nobody_up(excluded: tuple[str, ...], expected: list[str]) -> None:
    """R2-20, R2-21: exclusion satisfies dependents; with nothing left the report is due.

    It satisfies them once its own needs have ended: nothing overtakes what it was to follow.
    """
    assert launch(a_graph("a()", "b()<-a", "c()<-b"), *excluded) == expected


def test_an_excluded_step_is_waited_through() -> None:
    """R2-20: what follows two excluded steps begins when what those followed has ended."""
    state = a_run(a_graph("a()", "b()<-a", "c()<-b", "d()<-c"), excluded=["b", "c"])

    assert what_happens(state, "a done") == ["a#1 completed", "d#1 dispatched"]


def test_an_excluded_step_never_runs() -> None:
    """R2-15: the manifest is part of the state, so that no later look can differ."""
    state = a_run(a_graph("a", "b<-a"), "a done", excluded=["b"])

    assert statuses(state) == {"run": "running", "a": "completed", "b": "excluded"}
    assert state.remaining == 0


def test_a_deadline_is_set_at_the_launch() -> None:
    """The run's deadline is a timer from the first commit on."""
    graph = a_graph("a", deadline=90.0)

    decision = decide(unstarted(graph), [launched(graph)])

    assert decision.timers == (SetTimer(TimerKind.RUN_DEADLINE, RUN_LEVEL, 0, 90.0),)


def test_a_second_launch_changes_nothing() -> None:
    """R2-13: a launch that is repeated finds a run that has begun."""
    state = a_run(a_graph("a"))

    assert decide(state, [launched(state.graph)]).verdicts == (Verdict.LATE,)
    assert told(state, launched(state.graph)) == state


@pytest.mark.parametrize("word", ["cancel", "report", "stall", "a done", "a yes", "a lost"])
def test_nothing_is_heard_before_the_launch(word: str) -> None:
    """R2-13: a run that does not exist yet cannot be told anything."""
    decision = decided(unstarted(a_graph("a")), word)

    assert (decision.events, decision.verdicts) == ((), (Verdict.LATE,))


def test_a_cancel_beside_the_launch_is_not_lost() -> None:
    """Whichever stands first in the batch, the run begins and is cancelled."""
    graph = a_graph("a")
    cancel = CancelRequested("changed my mind", "ann")

    for batch in ([cancel, launched(graph)], [launched(graph), cancel]):
        decision = decide(unstarted(graph), batch)
        assert decision.verdicts == (Verdict.ACCEPTED, Verdict.ACCEPTED)
        assert told(unstarted(graph), *batch).status is RunStatus.CANCELLED
