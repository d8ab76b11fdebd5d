"""Steps that begin without a task: waits, lists, loops; and what they do when a run drains."""

from __future__ import annotations

from typing import Any

import pytest

from builders import WAIT, a_graph, a_run, after, decided, what_happens
from flowrunner.core import events as ev
from flowrunner.core import inputs as inp
from flowrunner.core.bodies import NOTHING
from flowrunner.core.decision import SetTimer, Verdict
from flowrunner.core.graph import EachSpec, Graph, RepeatSpec, Siblings, StepSpec
from flowrunner.core.model import Ref, RunState
from flowrunner.core.scheduling import decide

LIST = {"each": EachSpec()}
LOOP = {"repeat": RepeatSpec(at_most=3)}


def test_a_wait_sleeps_as_long_as_it_was_told() -> None:
    """F16: a timer of its own wakes it; what is over already needs none."""
    state = a_run(a_graph("w", "z()<-w", w=WAIT))

    half, none = decided(state, "w sleeps:0.5"), decide(state, [inp.WaitSet(0, 0.0)])

    assert half.events == (ev.StepSlept(0, 0.5),)
    assert half.timers == (SetTimer(inp.TimerKind.WAKE, 0, 1, 0.5),)
    assert none.events[0] == ev.StepCompleted(0, 0, NOTHING)
    assert (none.timers, none.verdicts) == ((), (Verdict.ACCEPTED,))


@pytest.mark.parametrize(
    ("steps", "history", "given"),
    [
        (("a", "b"), [], inp.WaitSet(0, 1.0)),
        (("a", "w<-a"), [], inp.WaitSet(1, 1.0)),
        (("w", "a"), ["w sleeps"], inp.WaitSet(0, 1.0)),
        (("a", "b"), [], inp.Expanded(0, ("x",), Ref("list"))),
        (("a", "l<-a"), [], inp.Expanded(1, ("x",), Ref("list"))),
        (("l", "a"), ["l has:x"], inp.Expanded(0, ("y",), Ref("list"))),
        (("a", "b"), [], inp.Gathered(0, Ref("list"))),
        (("a", "b"), [], inp.LoopJudged(0, 0, answer=True, output=Ref("x"))),
    ],
    ids=[
        "no-wait",
        "too-early",
        "asleep",
        "no-list",
        "list-too-early",
        "listed",
        "bare",
        "no-loop",
    ],
)
def test_what_nobody_asked_is_late(
    steps: tuple[str, ...], history: list[str], given: inp.Input
) -> None:
    """R2-13: an answer for a step of another kind, or for one that waits or has begun."""
    changes: dict[str, Any] = {
        name: each for name, each in (("w", WAIT), ("l", LIST)) if name in str(steps)
    }
    state = a_run(a_graph(*steps, **changes), *history)

    assert (decide(state, [given]).events, decide(state, [given]).verdicts) == ((), (Verdict.LATE,))


def test_what_ends_a_family_is_its_output() -> None:
    """R2-42, F13, F15: the list of results, or what the last iteration said."""
    gathered = decided(a_run(a_graph("l()", l=LIST), "l has:x", "l[x] done"), "l gathered")
    over = decided(a_run(a_graph("r()", r=LOOP), "r[1] done"), "r over")

    assert gathered.events == (ev.StepCompleted(0, 0, Ref("output of l")),)
    assert over.events == (ev.StepCompleted(0, 0, Ref("output of r")),)


def draining(step: StepSpec, *words: str) -> RunState:
    """A run that drains because another step of it has failed."""
    graph = Graph((step, StepSpec("bad", step.kind)), siblings=Siblings.DRAIN)
    return a_run(graph, *words, "bad failed")


def test_half_a_list_is_no_result() -> None:
    """D2-07, F13: members that were held back never begin, so the list is cancelled."""
    (step,) = a_graph("l()", l={"each": EachSpec(parallel=1)}).steps

    assert what_happens(draining(step, "l has:x,y"), "l[x] done") == [
        "l[x]#1 completed",
        "l cancelled: sibling_failed",
        "render what there is?",
    ]


def test_a_loop_that_drains_does_not_go_round_again() -> None:
    """D2-07, F15: its iteration may end; a result that is over counts, another round does not."""
    (step,) = a_graph("r()", r=LOOP).steps
    state = after(draining(step), "r[1] done")

    assert what_happens(draining(step), "r[1] done")[1] == "judge r 1?"
    assert what_happens(state, "r again")[0] == "r cancelled: sibling_failed"
    assert what_happens(state, "r over")[0] == "r#0 completed"
