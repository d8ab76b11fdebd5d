"""What cannot be meant changes nothing and raises nothing; who is heard first in a batch."""

from itertools import pairwise

import pytest

from builders import FATAL, a_graph, a_run
from flowrunner.core import inputs as inp
from flowrunner.core.admission import is_possible, precedence
from flowrunner.core.decision import Verdict
from flowrunner.core.model import Ref, unstarted
from flowrunner.core.scheduling import decide

DONE = inp.Succeeded(Ref("out"))


def about(step: int) -> list[inp.Input]:
    """Return one input of each kind that names a step."""
    return [
        inp.Launched("f", "small", "d", ((step, "gate"),)),
        inp.TaskSettled(step, 1, 1, DONE),
        inp.TaskLost(step, 1, 1, "r"),
        inp.GuardEvaluated(step, answer=False),
        inp.PromptBuilt(step, Ref("p")),
        inp.TimerFired(inp.TimerKind.RETRY, step, 1),
        inp.StallFound("r", (step,)),
        inp.Rejected(step, 1, 1, "succeeded"),
    ]


@pytest.mark.parametrize("step", [-2, 2, 10**9])
def test_a_step_that_does_not_exist_is_late(step: int) -> None:
    """R2-13, R2-37: an input about a step of no such number is answered, and nothing else."""
    state = a_run(a_graph("a", "b"), "a yes")

    for given in about(step):
        assert not is_possible(given, 2)
        decision = decide(state, [given])
        assert (decision.verdicts, decision.events) == ((Verdict.LATE,), ())
    assert decide(unstarted(state.graph), about(step)[:1]).events == ()


def test_every_step_that_exists_is_possible() -> None:
    """The first and the last number are inside; an empty report of a stall is possible."""
    assert [given for step in (0, 1) for given in about(step) if not is_possible(given, 2)] == []
    assert is_possible(inp.StallFound("r"), 2)
    assert is_possible(inp.TimerFired(inp.TimerKind.RUN_DEADLINE, inp.RUN_LEVEL, 0), 2)


def test_minus_one_is_no_step() -> None:
    """Python would count from the end; only timers know a level above the steps."""
    possible = [given for given in about(-1) if is_possible(given, 2)]

    assert possible == [inp.TimerFired(inp.TimerKind.RETRY, -1, 1)]


def test_an_exclusion_named_twice_is_no_launch() -> None:
    """Counting one exclusion twice would let a dependent begin too early."""
    twice = inp.Launched("f", "small", "d", ((0, "gate"), (0, "band")))
    state = unstarted(a_graph("a", "b", "c<-a,b"))

    assert decide(state, [twice]).verdicts == (Verdict.LATE,)
    assert decide(state, [twice]).events == ()


def test_who_is_heard_first() -> None:
    """D2-33, D2-32: what is there is kept before what fails; a person comes before a timer."""
    ranks = [
        [inp.Launched("f", "small", "d")],
        [inp.CancelRequested("r", "ann")],
        [inp.PauseRequested("r", "ann"), inp.ResumeRequested("r", "ann")],
        [
            inp.TaskSettled(0, 1, 1, DONE),
            inp.PromptBuilt(0, Ref("p")),
            inp.GuardEvaluated(0, answer=False),
            inp.Gathered(0, Ref("o")),
            inp.LoopJudged(0, 1, answer=True),
            inp.ReportRendered(Ref("r")),
            inp.Rejected(0, 1, 1, "o"),
            inp.CallAsked(0, 1, 1, "k", Ref("p")),
        ],
        [inp.ApprovalGiven(0, 1, True, "ann", Ref("a"))],
        [
            inp.TaskSettled(0, 1, 1, inp.Errored(FATAL)),
            inp.TaskLost(0, 1, 1, "r"),
            inp.PromptBuilt(0, FATAL),
            inp.GuardEvaluated(0, FATAL),
            inp.Gathered(0, FATAL),
            inp.LoopJudged(0, 1, FATAL),
            inp.StopRequested(0, "r", "ann"),
            inp.StallFound("r"),
            inp.TimerFired(inp.TimerKind.RETRY, 0, 1),
        ],
        [inp.TaskSettled(0, 1, 1, inp.Stopped("r"))],
    ]

    heard = [{precedence(given) for given in rank} for rank in ranks]

    assert all(len(rank) == 1 for rank in heard)
    assert all(max(first) < min(second) for first, second in pairwise(heard))


def test_equals_are_heard_in_order() -> None:
    """Two answers to one question: the first one counts, as it came."""
    state = a_run(a_graph("a?"))
    no, yes = inp.GuardEvaluated(0, answer=False), inp.PromptBuilt(0, Ref("p"))

    assert decide(state, [no, yes]).verdicts == (Verdict.ACCEPTED, Verdict.LATE)
    assert decide(state, [yes, no]).verdicts == (Verdict.ACCEPTED, Verdict.LATE)
    assert decide(state, [no, yes]).events != decide(state, [yes, no]).events
