"""How a run ends: complete, failed with what there is, cancelled, overdue; and only once."""

import pytest

from builders import FATAL, a_graph, a_run, a_word, decided, told, what_happens
from flowrunner.core import events as ev
from flowrunner.core import inputs as inp
from flowrunner.core.decision import LeaseGuard, TimerGuard, Verdict
from flowrunner.core.folding import fold
from flowrunner.core.graph import Graph
from flowrunner.core.inputs import RUN_LEVEL, TimerKind
from flowrunner.core.model import Failure, Ref, RunState, RunStatus
from flowrunner.core.scheduling import decide
from stories import statuses

FAN = a_graph("a", "b", "c*2", "d?", "e<-a")
"""Everything a step can be doing when its sibling fails; see `busy`."""


def busy(graph: Graph = FAN) -> RunState:
    """Return a run with a and b at work, c held back, d being asked, e waiting."""
    return a_run(graph, "a yes", "b yes", "c flaky")


def test_a_report_completes_the_run() -> None:
    """R2-21, R2-44: the last event is the run's own, with outcome and report."""
    state = a_run(a_graph("a"), "a done")

    decision = decided(state, "report")

    assert decision.events == (ev.RunCompleted("ok", Ref("report"), degraded=False),)
    assert told(state, a_word(state, "report")).status is RunStatus.COMPLETED


@pytest.mark.parametrize("word", ["report", "no-report"])
def test_no_report_ends_a_run_that_is_at_work(word: str) -> None:
    """A report counts once every step has ended."""
    state = a_run(a_graph("a", "b<-a"), "a done")

    assert decided(state, word).verdicts == (Verdict.LATE,)
    assert decided(state, word).events == ()


def test_a_report_that_raises_fails_the_run() -> None:
    """R2-45, D2-08: the run's error says so, and no step is touched."""
    state = a_run(a_graph("a", "b()"), "a done", "b done")

    decision = decided(state, "no-report")

    error = Failure("render_failed", "report render threw: render raised")
    assert decision.events == (ev.RunFailed(error, None),)
    after = told(state, a_word(state, "no-report"))
    assert statuses(after) == {"run": "failed", "a": "completed", "b": "completed"}
    assert after.failure == error


def test_a_failure_stops_every_sibling() -> None:
    """D2-07, I3: at work, held back, being asked or waiting: none stays open."""
    assert what_happens(busy(), "a failed") == [
        "a#1 failed: agent_error",
        "b cancelled: sibling_failed",
        "c cancelled: sibling_failed",
        "d cancelled: sibling_failed",
        "e cancelled: sibling_failed",
        "render what there is?",
    ]


@pytest.mark.parametrize("word", ["b done", "b failed", "c due", "d yes", "d no", "b lost"])
def test_a_stopped_sibling_stays_stopped(word: str) -> None:
    """D2-07: what siblings do after the failure is at most recorded."""
    late = a_word(busy(), word)
    state = told(busy(), a_word(busy(), "a failed"))

    after = told(state, late)

    assert after.steps == state.steps
    assert after.failure == state.failure


@pytest.mark.parametrize(("word", "report"), [("report", Ref("report")), ("no-report", None)])
def test_a_failed_run_reports_what_there_is(word: str, report: Ref | None) -> None:
    """D2-32, R2-46: the partial report is kept, and the step's failure stays the run's error."""
    state = a_run(a_graph("a", "b"), "a done", "b failed")

    decision = decided(state, word)

    error = Failure("agent_error", "step 'b' failed: it gave up")
    assert decision.events == (ev.RunFailed(error, report),)


def test_the_first_failure_is_the_runs() -> None:
    """R2-46: two failures of one batch leave one error, and the second step is refused."""
    state = a_run(a_graph("a", "b"), "a yes", "b yes")

    assert what_happens(state, "a failed", "b failed") == [
        "a#1 failed: agent_error",
        "b cancelled: sibling_failed",
        "b#1 rejected: errored",
        "render what there is?",
    ]


def test_folding_keeps_the_first_failure() -> None:
    """R2-46: a log with two failures, should one ever be stored, has one error."""
    state = a_run(a_graph("a", "b"), "a yes", "b yes")
    other = Failure("other", "second")

    after = fold(state, [ev.StepFailed(0, 1, FATAL), ev.StepFailed(1, 1, other)])

    assert after.failure == Failure("agent_error", "step 'a' failed: it gave up")


def test_a_tolerated_failure_degrades_the_run() -> None:
    """R2-17, R2-20: dependents go on, siblings too, and the completed run says degraded."""
    state = a_run(a_graph("a!tolerate", "b<-a", "c()"), "a yes")

    assert what_happens(state, "a failed") == ["a#1 failed: agent_error, tolerated", "prepare b?"]
    state = a_run(state.graph, "a failed", "b done", "c done")
    assert what_happens(state) == ["render?"]
    assert what_happens(state, "report") == ["run completed, degraded"]
    assert decided(state, "report").events == (ev.RunCompleted("ok", Ref("report"), degraded=True),)


def test_a_retried_failure_degrades_nothing() -> None:
    """R2-17: what was healed is no failure of the run."""
    state = a_run(a_graph("a!tolerate*2"), "a flaky", "a due", "a done")

    assert what_happens(state, "report") == ["run completed"]


def test_a_cancel_ends_everything_at_once() -> None:
    """R2-48, D2-11, I3: every open step is cancelled, then the run, in one decision."""
    assert what_happens(busy(), "cancel") == [
        "a cancelled: run_cancelled",
        "b cancelled: run_cancelled",
        "c cancelled: run_cancelled",
        "d cancelled: run_cancelled",
        "e cancelled: run_cancelled",
        "run cancelled by ann: no longer wanted",
    ]
    assert what_happens(a_run(a_graph("a", "b"), "a done"), "cancel") == [
        "b cancelled: run_cancelled",
        "run cancelled by ann: no longer wanted",
    ]


def test_one_agent_stopped_cancels_the_run_and_says_which() -> None:
    """R2-18, R2-40, R2-47, D2-11: the stop has its own reason, and leaves no sibling at work."""
    decision = decided(busy(), "b stopped")

    cancelled = [e for e in decision.events if isinstance(e, ev.StepCancelled)]
    assert cancelled[0] == ev.StepCancelled(1, "by hand", 100_002)
    assert [(e.step, e.reason) for e in cancelled[1:]] == [
        (number, "run_cancelled") for number in (0, 2, 3, 4)
    ]
    assert decision.events[-1] == ev.RunCancelled("step 'b' was cancelled: by hand", "dispatcher")
    assert decision.guards == (LeaseGuard(1, 1, 100_002),)


ENDED = [
    a_run(FAN, "cancel"),
    a_run(FAN, "a failed", "report"),
    a_run(a_graph("a", "b", "c*2", "d?"), "a done", "b done", "c done", "d no", "report"),
]


EVERYTHING = (
    *("a yes", "a no", "a broken", "a done", "a failed", "a flaky", "a stopped", "a lost", "c due"),
    *("cancel", "report", "no-report", "deadline", "stall"),
)


@pytest.mark.parametrize("state", ENDED, ids=["cancelled", "failed", "completed"])
@pytest.mark.parametrize("word", EVERYTHING)
def test_an_ended_run_hears_nothing(state: RunState, word: str) -> None:
    """R2-13, R2-48, D2-34: no event, no question, no timer; the answer is late.

    Unless it is the very result that was applied before: that one is answered as it was then.
    """
    given = a_word(state, word)
    is_known = isinstance(given, inp.TaskSettled) and state.steps[0].epoch == given.epoch

    decision = decided(state, word)

    assert decision.verdicts == (Verdict.DUPLICATE if is_known else Verdict.LATE,)
    assert (decision.events, decision.asks, decision.guards, decision.timers) == ((), (), (), ())


@pytest.mark.parametrize("word", ["a yes", "a broken", "b done", "b flaky", "b stopped", "report"])
def test_a_cancel_wins_its_batch(word: str) -> None:
    """D2-12, D2-33: wherever it stands in the batch, nothing else of it is applied."""
    state = a_run(a_graph("a", "b*2"), "b yes")

    for batch in ((word, "cancel"), ("cancel", word)):
        decision = decided(state, *batch)
        assert what_happens(state, *batch) == what_happens(state, "cancel")
        assert sorted(decision.verdicts) == ["accepted", "late"]
        assert decision.verdicts[batch.index("cancel")] == "accepted"


def test_a_cancel_wins_over_a_failure() -> None:
    """D2-33: a run that is about to fail can still be cancelled, until it has ended."""
    state = a_run(a_graph("a", "b"), "a failed")

    assert what_happens(state, "cancel") == ["run cancelled by ann: no longer wanted"]
    assert what_happens(state, "report", "cancel") == ["run cancelled by ann: no longer wanted"]


@pytest.mark.parametrize("batch", [("a stopped", "b failed"), ("b failed", "a stopped")])
def test_a_failure_wins_over_a_stopped_step(batch: tuple[str, ...]) -> None:
    """D2-33: the order of a batch does not choose between failed and cancelled."""
    state = a_run(a_graph("a", "b"), "a yes", "b yes")

    assert what_happens(state, *batch) == [
        "b#1 failed: agent_error",
        "a cancelled: sibling_failed",
        "a#1 rejected: stopped",
        "render what there is?",
    ]


@pytest.mark.parametrize(
    "batch", [("a failed", "b done"), ("b done", "a failed"), ("a lost", "b done")]
)
def test_results_in_hand_are_kept_before_a_failure(batch: tuple[str, ...]) -> None:
    """D2-32: a success of the same batch is in the report, whichever stands first."""
    state = a_run(a_graph("a", "b"), "a yes", "b yes", "a lost", "a lost")

    assert statuses(told(state, *(a_word(state, word) for word in batch))) == {
        "run": "running",
        "a": "failed",
        "b": "completed",
    }


def test_a_deadline_fails_the_run() -> None:
    """Every open step is cancelled with that reason, and the timer is used up."""
    state = busy(a_graph("a", "b", "c*2", "d?", "e<-a", deadline=90.0))

    decision = decided(state, "deadline")

    error = Failure("run_deadline", "the run did not end within 90.0 seconds")
    assert decision.events == (
        ev.RunFailing(error),
        *(ev.StepCancelled(number, "run_deadline") for number in range(5)),
    )
    assert decision.guards == (TimerGuard(TimerKind.RUN_DEADLINE, RUN_LEVEL, 0),)
    assert what_happens(state, "deadline")[-1] == "render what there is?"
    after = told(state, a_word(state, "deadline"))
    assert decided(after, "report").events == (ev.RunFailed(error, Ref("report")),)


@pytest.mark.parametrize("history", [["a done"], ["a failed"]])
def test_a_deadline_after_the_last_step_is_late(history: list[str]) -> None:
    """A run that only has its report to write is not overdue."""
    state = a_run(a_graph("a", deadline=90.0), *history)

    assert decided(state, "deadline").verdicts == (Verdict.LATE,)
    assert told(state, a_word(state, "deadline")) == state


def test_until_it_has_ended_the_report_is_asked_again() -> None:
    """P4: a decision about a run that only lacks its report says so each time."""
    state = a_run(a_graph("a"), "a done")

    assert what_happens(state) == ["render?"]
    assert what_happens(state, "a yes") == ["render?"]


def test_after_the_end_no_epoch_is_no_duplicate() -> None:
    """I5, P1: a step that no lease has ended has epoch 0, and 0 repeats nothing."""
    state = a_run(a_graph("a", "b"), "a failed", "report")
    known, none = (
        inp.TaskSettled(number, 1, state.steps[number].epoch, inp.Succeeded(Ref("x")))
        for number in (0, 1)
    )

    assert decide(state, [known]).verdicts == (Verdict.DUPLICATE,)
    assert decide(state, [none]).verdicts == (Verdict.LATE,)
