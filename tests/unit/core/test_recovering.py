"""Lost workers, poison, stalls, and what a restart makes of each step (resume table)."""

import pytest

from builders import a_graph, a_run, a_word, an_epoch, decided, told, what_happens
from flowrunner.core import events as ev
from flowrunner.core import inputs as inp
from flowrunner.core.decision import LeaseGuard, Verdict
from flowrunner.core.folding import fold
from flowrunner.core.model import (
    MAX_CRASHES,
    Failure,
    FailureClass,
    Ref,
    RunState,
    RunStatus,
    StepStatus,
    unstarted,
)
from flowrunner.core.readiness import outstanding
from flowrunner.core.scheduling import decide
from stories import questions, statuses, story


def test_a_lost_attempt_is_followed_by_a_new_one() -> None:
    """R2-51, D2-17: a new attempt with the same prompt; the commit fences the old lease."""
    state = a_run(a_graph("a"), "a yes")

    decision = decided(state, "a lost")

    error = Failure("lease_lost", "worker died", FailureClass.LOST)
    epoch = an_epoch(0, 1)
    assert decision.events == (
        ev.StepRetrying(0, 1, error, 0, epoch),
        ev.StepDispatched(0, 2, Ref("prompt of a")),
    )
    assert decision.guards == (LeaseGuard(0, 1, epoch),)


def test_a_loss_is_no_failure_of_the_step() -> None:
    """Crashes are counted apart, so that a bad machine uses up no retries."""
    state = a_run(a_graph("a*2"), "a lost", "a lost")

    assert (state.steps[0].crashes, state.steps[0].failures, state.steps[0].attempt) == (2, 0, 3)
    assert what_happens(state, "a flaky") == ["a#3 retrying: overloaded"]


def test_a_loss_is_heard_once() -> None:
    """P1: every replica may report the same loss; one new attempt is made."""
    state = a_run(a_graph("a"), "a yes")
    loss = a_word(state, "a lost")

    assert decide(state, [loss, loss, loss]).verdicts == (
        Verdict.ACCEPTED,
        Verdict.LATE,
        Verdict.LATE,
    )
    assert told(told(state, loss), loss) == told(state, loss)


@pytest.mark.parametrize("batch", [("a lost", "a done"), ("a done", "a lost")])
def test_a_result_beside_its_own_loss_counts(batch: tuple[str, ...]) -> None:
    """A result that arrived with the report of its worker's death is not thrown away."""
    state = a_run(a_graph("a"), "a yes")

    assert what_happens(state, *batch) == ["a#1 completed", "render?"]


def test_poison_is_a_crash_loop() -> None:
    """F33: a task that takes its worker with it every time fails, and says so."""
    state = a_run(a_graph("a*9", "b"), *["a lost"] * (MAX_CRASHES - 1))

    decision = decided(state, "a lost")

    message = f"lost with its worker {MAX_CRASHES} times, last: worker died"
    error = Failure("crash_loop", message, FailureClass.LOST)
    assert decision.events[0] == ev.StepFailed(0, MAX_CRASHES, error, False, an_epoch(0, 3))
    assert story(state.graph, decision.events[1:]) == ["b cancelled: sibling_failed"]


def test_what_is_handed_back_is_no_crash() -> None:
    """F33, D2-17: its holder is well but cannot do it now; it is offered anew, however often."""
    state = a_run(a_graph("a"), "a yes")

    for attempt in range(1, MAX_CRASHES + 2):
        epoch = an_epoch(0, attempt)
        back = inp.TaskLost(0, attempt, epoch, "the flow changed", handed_back=True)
        decision = decide(state, [back])
        state = fold(state, decision.events)

        error = Failure("handed_back", "the flow changed", FailureClass.LOST)
        assert decision.events[0] == ev.StepRetrying(0, attempt, error, 0, epoch)
        assert decision.guards == (LeaseGuard(0, attempt, epoch),)

    assert (state.steps[0].crashes, state.steps[0].attempt) == (0, MAX_CRASHES + 2)
    assert what_happens(state, "a done") == [f"a#{MAX_CRASHES + 2} completed", "render?"]


def test_poison_can_be_tolerated() -> None:
    """R2-17: a crash loop is a failure like others to the flow."""
    state = a_run(a_graph("a!tolerate", "b()<-a"), "a lost", "a lost")

    assert what_happens(state, "a lost") == ["a#3 failed: crash_loop, tolerated", "b#1 dispatched"]


def test_the_late_result_of_a_poisoned_step_is_recorded() -> None:
    """P2: nothing of the lost lease was applied, so its result is no duplicate."""
    state = a_run(a_graph("a!tolerate", "b"), "a lost", "a lost")
    late = a_word(state, "a done")
    state = told(state, a_word(state, "a lost"))

    decision = decide(state, [late])

    assert decision.verdicts == (Verdict.LATE,)
    assert story(state.graph, decision.events) == ["a#3 rejected: succeeded"]


def test_an_applied_result_is_remembered_through_a_crash_loop() -> None:
    """I5: the duplicate of an attempt that did fail is still known as one."""
    state = a_run(a_graph("a*2"), "a yes")
    flaky = a_word(state, "a flaky")
    state = a_run(a_graph("a!tolerate*2", "b"), "a flaky", "a due", "a lost", "a lost", "a lost")

    assert state.steps[0].status is StepStatus.FAILED
    assert decide(state, [flaky]).verdicts == (Verdict.DUPLICATE,)


def test_a_run_that_waits_for_something_is_no_stall() -> None:
    """P4: a task, a timer: the detector's report changes nothing and adds no event."""
    for history in (["a yes"], ["a flaky"]):
        state = a_run(a_graph("a*2", "b<-a"), *history)

        assert decided(state, "stall").verdicts == (Verdict.LATE,)
        assert told(state, a_word(state, "stall")) == state


def test_a_question_that_was_forgotten_is_asked_again() -> None:
    """P4, D2-05: a ready step that nobody prepares is asked about, and the log says so."""
    state = a_run(a_graph("a", "b?"))

    assert what_happens(state, "stall") == ["run repaired", "prepare a?", "prepare b?"]


def test_a_stored_prompt_is_not_asked_for() -> None:
    """R2-51, P4: between two attempts the prompt is there, and the repair offers it again."""
    error = Failure("lease_lost", "worker died", FailureClass.LOST)
    state = fold(a_run(a_graph("a"), "a yes"), [ev.StepRetrying(0, 1, error, 0)])

    assert decided(state, "stall").events[1:] == (ev.StepDispatched(0, 2, Ref("prompt of a")),)
    assert what_happens(state, "stall") == ["run repaired", "a#2 dispatched"]


def test_a_report_that_was_forgotten_is_asked_again() -> None:
    """P4: all steps ended and no report: the run is given its last cause to move."""
    state = a_run(a_graph("a"), "a done")

    assert what_happens(state, "stall") == ["run repaired", "render?"]


def test_a_task_that_is_gone_is_offered_again() -> None:
    """P4: a running step without a task gets a new attempt, once however often it is named."""
    state = a_run(a_graph("a", "b"), "a yes", "b yes")
    stall = inp.StallFound("no task", missing=(0, 0))

    decision = decide(state, [stall])

    assert story(state.graph, decision.events) == [
        "run repaired",
        "a#1 retrying: lease_lost",
        "a#2 dispatched",
    ]
    assert decision.guards == ()


def test_a_retry_whose_timer_is_gone_is_begun() -> None:
    """P4: a step held back by nothing gets its next attempt, and its failure stays counted."""
    state = a_run(a_graph("a*3", "b"), "a flaky", "b yes")
    stall = inp.StallFound("no timer", missing=(0,))

    assert story(state.graph, decide(state, [stall]).events) == ["run repaired", "a#2 dispatched"]
    after = told(state, stall)
    assert (after.steps[0].failures, after.steps[0].crashes) == (1, 0)
    assert decided(a_run(a_graph("a*3"), "a flaky"), "stall").verdicts == (Verdict.LATE,)


def test_a_repair_that_fails_a_step_revives_no_other() -> None:
    """D2-07: when one missing task is the crash loop, the other is cancelled for good."""
    state = a_run(a_graph("a", "b"), "a lost", "a lost", "b yes")

    after = told(state, inp.StallFound("no task", missing=(0, 1)))

    assert statuses(after) == {"run": "running", "a": "failed", "b": "cancelled"}
    assert after.remaining == 0


def test_what_only_looks_missing_is_left_alone() -> None:
    """P4: a step that has ended since the detector looked is not lost."""
    state = a_run(a_graph("a", "b"), "a done", "b yes")
    stall = inp.StallFound("no task", missing=(0,))

    assert decide(state, [stall]).verdicts == (Verdict.LATE,)


def test_a_run_that_can_never_move_fails() -> None:
    """R2-23, P4: steps that need each other, should validation ever let them in, end the run."""
    state = a_run(a_graph("a<-b", "b<-a"))

    assert what_happens(state) == []
    assert what_happens(state, "stall") == [
        "run failing: unsatisfiable",
        "a cancelled: unsatisfiable",
        "b cancelled: unsatisfiable",
        "render what there is?",
    ]
    assert what_happens(a_run(a_graph("a<-b", "b<-a", "c"), "c yes"), "stall") == []


GRAPH = a_graph("a*2", "b<-a", "c()")
RESUMED: list[tuple[str, RunState, list[str], list[str]]] = [
    ("nothing begun: asked again", a_run(GRAPH), [], ["prepare a?"]),
    ("at work: kept, its lease holder reports", a_run(GRAPH, "a yes"), ["a done"], []),
    ("held back: kept, its timer fires", a_run(GRAPH, "a flaky"), ["a due"], []),
    ("ended: kept", a_run(GRAPH, "a done", "c done"), [], ["prepare b?"]),
    (
        "all ended: the report is asked again",
        a_run(GRAPH, "a failed"),
        [],
        ["render what there is?"],
    ),
    ("over: nothing", a_run(GRAPH, "cancel"), [], []),
]


@pytest.mark.parametrize(
    ("state", "accepted", "asked"), [row[1:] for row in RESUMED], ids=[row[0] for row in RESUMED]
)
def test_a_restart_keeps_what_is_known(
    state: RunState, accepted: list[str], asked: list[str]
) -> None:
    """D2-19: the loaded state alone says what to ask; looking at it changes nothing.

    A step at work is not offered a second time: its lease, its loss or its timer will speak.
    """
    assert decide(state, []).events == ()
    assert questions(state.graph, outstanding(state)) == asked
    assert [decided(state, word).verdicts[0] for word in accepted] == ["accepted"] * len(accepted)


ROWS: list[tuple[str, str, list[str]]] = [
    ("completed", "a done", ["a#1 completed", "prepare b?"]),
    ("failed", "a failed", ["a#1 failed: agent_error", "b cancelled: sibling_failed"]),
    ("failed, may heal", "a flaky", ["a#1 retrying: overloaded"]),
    ("stopped", "a stopped", ["a cancelled: by hand", "b cancelled: run_cancelled"]),
    ("lease expired", "a lost", ["a#1 retrying: lease_lost", "a#2 dispatched"]),
]


@pytest.mark.parametrize(("word", "expected"), [r[1:] for r in ROWS], ids=[r[0] for r in ROWS])
def test_recovery_settles_as_a_callback_does(word: str, expected: list[str]) -> None:
    """D2-20, R2-50: a task found ended after a restart goes the way of a live callback."""
    live = a_run(a_graph("a*2", "b<-a"), "a yes")
    log = [ev.RunStarted("review", "small", "d0"), ev.StepDispatched(0, 1, Ref("prompt of a"))]
    loaded = fold(unstarted(live.graph), log)

    assert decided(loaded, word) == decided(live, word)
    assert what_happens(loaded, word)[: len(expected)] == expected


def test_a_lost_step_without_a_prompt_starts_over() -> None:
    """R2-52, D2-19: code has no prompt to store; losing it is no reason to fail."""
    state = a_run(GRAPH)

    assert what_happens(state, "c lost") == ["c#1 retrying: lease_lost", "c#2 dispatched"]
    assert what_happens(a_run(a_graph("c()?"), "c yes"), "c lost")[-1] == "c#2 dispatched"


def test_a_missing_task_row_becomes_a_new_attempt() -> None:
    """P4: running, and no row to be found: fenced by a new attempt number."""
    state = a_run(GRAPH, "a yes", "c done")

    after = told(state, inp.StallFound("no task", missing=(0,)))

    assert (after.steps[0].status, after.steps[0].attempt) == (StepStatus.RUNNING, 2)
    assert after.status is RunStatus.RUNNING
