"""An unfit answer is sent back to the agent: apart from its retries, and not for ever (F7)."""

from __future__ import annotations

import pytest

from builders import a_graph, a_run, told
from flowrunner.core import events as ev
from flowrunner.core import inputs as inp
from flowrunner.core.folding import fold
from flowrunner.core.graph import Graph, Siblings
from flowrunner.core.model import (
    Failure,
    FailureClass,
    Ref,
    RunState,
    StepStatus,
    Usage,
    unstarted,
)
from flowrunner.core.scheduling import decide

UNFIT = Failure("answer_invalid", "n: missing", FailureClass.CONTRACT)
FLAKY = Failure("overloaded", "later", FailureClass.TRANSIENT)
ASKED = Ref("the same, and what was wrong")
USAGE = Usage(7, 8, 9)


def settled(
    state: RunState, most: int = 2, prompt: Ref | None = ASKED, error: Failure = UNFIT
) -> inp.TaskSettled:
    """Return the end of the first step's present attempt."""
    attempt = state.steps[0].attempt
    repair = inp.Repair(most, prompt)
    return inp.TaskSettled(0, attempt, 7 + attempt, inp.Errored(error, USAGE, repair=repair))


def sent_back(graph: Graph, times: int, most: int = 2) -> RunState:
    state = a_run(graph, "a yes")
    for _ in range(times):
        state = told(state, settled(state, most))
    return state


def test_an_unfit_answer_is_sent_back_at_once() -> None:
    """F7: with retry=0, without a delay, and the next attempt has the new prompt."""
    state = a_run(a_graph("a"), "a yes")

    events = decide(state, [settled(state)]).events

    assert events == (
        ev.StepRetrying(0, 1, UNFIT, 0, 8, USAGE, counted=False, prompt=ASKED),
        ev.StepDispatched(0, 2, ASKED),
    )
    assert fold(state, events).steps[0].prompt == ASKED


@pytest.mark.parametrize("most", [1, 2, 3])
def test_it_is_sent_back_so_often_and_no_more(most: int) -> None:
    """F7, P9: then the last failure is the step's, and says how often it was asked again."""
    state = sent_back(a_graph("a"), most, most)

    (failed, *_) = decide(state, [settled(state, most)]).events

    times = "once" if most == 1 else f"{most} times"
    assert isinstance(failed, ev.StepFailed)
    assert failed.attempt == most + 1
    assert failed.error.message == f"n: missing (it was sent back {times} before)"
    assert (failed.error.code, failed.usage) == ("answer_invalid", USAGE)


def test_the_policy_does_not_try_again_what_was_sent_back_in_vain() -> None:
    """F7: retries are for what may heal by itself."""
    state = sent_back(a_graph("a*9"), 2)

    assert told(state, settled(state)).steps[0].status is StepStatus.FAILED


def test_rounds_take_nothing_from_the_retries() -> None:
    """F7, F30: after two rounds the policy still has its two further attempts, and the reverse."""
    graph = a_graph("a*3", base_seconds=0.0)
    state = sent_back(graph, 2)
    for _ in range(2):
        state = told(state, settled(state, error=FLAKY))
        assert state.steps[0].prompt == ASKED
    assert (state.steps[0].status, state.steps[0].failures) == (StepStatus.RUNNING, 2)
    assert told(state, settled(state, error=FLAKY)).steps[0].status is StepStatus.FAILED

    state = a_run(graph, "a yes")
    for error in (FLAKY, FLAKY, UNFIT, UNFIT):
        state = told(state, settled(state, error=error))
    assert (state.steps[0].status, state.steps[0].attempt) == (StepStatus.RUNNING, 5)


def test_a_lost_round_is_done_again_with_its_prompt() -> None:
    """F7, P3: a worker that dies in a round costs that attempt, not what was found out."""
    state = sent_back(a_graph("a"), 1)

    after = told(state, inp.TaskLost(0, 2, 5, "died"))

    assert (after.steps[0].attempt, after.steps[0].prompt) == (3, ASKED)
    assert after.steps[0].redos == 1


@pytest.mark.parametrize(
    "given",
    [
        settled(a_run(a_graph("a"), "a yes"), most=0),
        settled(a_run(a_graph("a"), "a yes"), most=-1),
        settled(a_run(a_graph("a"), "a yes"), prompt=None),
        settled(a_run(a_graph("a"), "a yes"), error=FLAKY),
    ],
    ids=["none wanted", "fewer than none", "no prompt", "not the answer"],
)
def test_what_cannot_be_sent_back_is_for_the_policy(given: inp.TaskSettled) -> None:
    """F7, F30: as it was before there were rounds."""
    once, thrice = a_run(a_graph("a"), "a yes"), a_run(a_graph("a*3"), "a yes")

    assert isinstance(decide(once, [given]).events[0], ev.StepFailed)
    (retrying, *_) = decide(thrice, [given]).events
    assert isinstance(retrying, ev.StepRetrying)
    assert (retrying.prompt, retrying.counted) == (None, True)


def test_code_is_not_asked_again() -> None:
    """F7: only who answers a prompt can be told what was wrong."""
    state = a_run(a_graph("a()"))

    assert isinstance(decide(state, [settled(state)]).events[0], ev.StepFailed)


def test_nothing_is_asked_for_a_run_that_is_failing() -> None:
    """D2-07, F7: where others may end by themselves, nobody begins anew."""
    state = a_run(a_graph("a", "b", siblings=Siblings.DRAIN), "a yes", "b failed")

    assert state.steps[0].status is StepStatus.RUNNING
    assert told(state, settled(state)).steps[0].status is StepStatus.FAILED


def test_a_run_that_begins_anew_has_all_its_rounds() -> None:
    """F40: what a person begins anew is asked from the beginning, with a prompt of its own."""
    state = sent_back(a_graph("a"), 2)
    state = told(state, settled(state))
    state = told(state, inp.ReportRendered(Ref("report"), "ok"))

    anew = told(state, inp.RetryRequested("again", "ann"))

    assert (anew.steps[0].redos, anew.steps[0].prompt) == (0, None)


def test_the_log_tells_it_all() -> None:
    """P7, I6: a replica that knows only the log stands where the others do."""
    graph = a_graph("a")
    start = unstarted(graph)
    launch = decide(start, [inp.Launched("f", "small", "d")]).events
    state = fold(start, launch)
    log = list(launch)
    for given in (inp.PromptBuilt(0, Ref("p")), None, None):
        events = decide(state, [settled(state) if given is None else given]).events
        state, log = fold(state, events), [*log, *events]

    assert fold(unstarted(graph), log) == state
    assert (state.steps[0].redos, state.steps[0].failures) == (2, 0)
