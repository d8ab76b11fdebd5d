"""What the end of an attempt means: once, for the right attempt, and not too late."""

import pytest

from builders import FATAL, FLAKY, a_graph, a_run, a_word, an_epoch, decided, told, what_happens
from flowrunner.core import events as ev
from flowrunner.core import inputs as inp
from flowrunner.core.decision import LeaseGuard, SetTimer, TimerGuard, Verdict
from flowrunner.core.model import MAX_REJECTED, Failure, FailureClass, Ref, RunState, Usage
from flowrunner.core.scheduling import decide
from stories import statuses, story

USAGE = Usage(10, 20, 30, 4.5)


def settled(outcome: inp.Outcome, *, attempt: int = 1, epoch: int = 7) -> inp.TaskSettled:
    return inp.TaskSettled(0, attempt, epoch, outcome)


def test_a_success_completes_the_step() -> None:
    """R2-39, R2-42: the event holds this attempt's output, and the lease guards it."""
    state = a_run(a_graph("a", "b"), "a yes")

    decision = decide(state, [settled(inp.Succeeded(Ref("out"), USAGE))])

    assert decision.events == (ev.StepCompleted(0, 1, Ref("out"), 7, USAGE),)
    assert decision.guards == (LeaseGuard(0, 1, 7),)
    assert decision.verdicts == (Verdict.ACCEPTED,)


def test_a_failure_fails_the_step_then_the_run() -> None:
    """R2-17, R2-41, R2-46: the step's error is kept, and the run's error names the step."""
    state = a_run(a_graph("find-bugs"), "find-bugs yes")

    decision = decide(state, [settled(inp.Errored(FATAL, USAGE))])
    after = told(state, settled(inp.Errored(FATAL, USAGE)))

    assert decision.events == (ev.StepFailed(0, 1, FATAL, False, 7, USAGE),)
    assert decision.guards == (LeaseGuard(0, 1, 7),)
    assert after.failure == Failure("agent_error", "step 'find-bugs' failed: it gave up")
    assert story(after.graph, decided(after, "report").events) == ["run failed: agent_error"]


def test_code_that_raises_fails_the_run() -> None:
    """R2-26, D2-08: a code step fails as any step does, in its own row, with its message."""
    state = a_run(a_graph("a()", "b()"))
    after = told(state, settled(inp.Errored(Failure("code_error", "ValueError: no"))))

    assert statuses(after) == {"run": "running", "a": "failed", "b": "cancelled"}
    assert after.failure == Failure("code_error", "step 'a' failed: ValueError: no")


def test_a_repeated_callback_is_a_duplicate() -> None:
    """R2-38, I5, P1: it is answered as the first one was, and done once."""
    for word in ("a done", "a failed", "a flaky"):
        state = a_run(a_graph("a!tolerate*2", "b"), "a yes")
        callback = a_word(state, word)
        after = told(state, callback)

        decision = decide(after, [callback, callback])

        assert decision.verdicts == (Verdict.DUPLICATE, Verdict.DUPLICATE)
        assert decision.events == ()


def test_a_callback_twice_in_a_batch_is_applied_once() -> None:
    """I5, P1, D2-34: the second one of a batch finds the work done."""
    state = a_run(a_graph("a", "b<-a"), "a yes")

    decision = decided(state, "a done", "a done")

    assert story(state.graph, decision.events) == ["a#1 completed"]
    assert decision.verdicts == (Verdict.ACCEPTED, Verdict.DUPLICATE)


def test_stopping_twice_is_stopping_once() -> None:
    """R2-40, I5, P1: the run has ended with the first callback, and the second one repeats it."""
    stopped = inp.TaskSettled(0, 1, 7, inp.Stopped("by hand"))
    state = a_run(a_graph("a"), "a yes")

    decision = decide(state, [stopped, stopped])

    assert decision.verdicts == (Verdict.ACCEPTED, Verdict.DUPLICATE)
    assert len(decision.events) == 2


@pytest.mark.parametrize("word", ["a done", "a failed", "a stopped"])
def test_a_result_of_an_older_attempt_is_refused(word: str) -> None:
    """D2-16, D2-17, P2: once its lease is lost, a result is recorded and changes nothing."""
    state = a_run(a_graph("a"), "a yes")
    zombie = a_word(state, word)
    state = a_run(state.graph, "a yes", "a lost")

    decision = decide(state, [zombie])

    assert decision.verdicts == (Verdict.LATE,)
    kind = {"a done": "succeeded", "a failed": "errored", "a stopped": "stopped"}[word]
    assert decision.events == (ev.ResultRejected(0, 1, an_epoch(0, 1), kind),)
    assert told(state, zombie).steps == state.steps


def test_a_zombie_that_knows_the_attempt_meets_the_guard() -> None:
    """D2-17, P2: the attempt number is no fence, the epoch is: the commit depends on it."""
    state = a_run(a_graph("a"), "a yes", "a lost")

    decision = decide(state, [settled(inp.Succeeded(Ref("old")), attempt=2, epoch=99)])

    assert decision.guards == (LeaseGuard(0, 2, 99),)


def test_a_stopped_sibling_remembers_its_results() -> None:
    """I5: a step that was cancelled between two attempts still knows the first one's end."""
    state = a_run(a_graph("a*2", "b"), "a yes", "b yes")
    flaky = a_word(state, "a flaky")
    state = told(told(state, flaky), a_word(state, "b failed"))

    assert statuses(state)["a"] == "cancelled"
    assert decide(state, [flaky]).verdicts == (Verdict.DUPLICATE,)


def test_no_epoch_is_no_duplicate() -> None:
    """I5: a step that no lease has ended yet has epoch 0, and 0 repeats nothing."""
    state = a_run(a_graph("a"), "a yes")

    decision = decide(state, [settled(inp.Succeeded(Ref("out")), epoch=0)])

    assert decision.verdicts == (Verdict.ACCEPTED,)
    assert decision.guards == (LeaseGuard(0, 1, 0),)


@pytest.mark.parametrize(
    "outcome", [inp.Succeeded(Ref("out")), inp.Errored(FATAL), inp.Errored(FLAKY), inp.Stopped("x")]
)
def test_no_end_of_an_attempt_is_without_a_guard(outcome: inp.Outcome) -> None:
    """P2, R2-42: whatever the outcome, it counts only while its lease is live."""
    state = a_run(a_graph("a*2", "b"), "a yes", "b yes")

    assert decide(state, [settled(outcome)]).guards == (LeaseGuard(0, 1, 7),)


def test_a_stale_result_is_recorded() -> None:
    """P2: what the database refused as stale becomes an event, however the step stands."""
    for state in (a_run(a_graph("a"), "a yes"), a_run(a_graph("a", "b"), "a done")):
        decision = decide(state, [inp.Rejected(0, 1, 5, "succeeded")])

        assert decision.events == (ev.ResultRejected(0, 1, 5, "succeeded"),)
        assert decision.verdicts == (Verdict.ACCEPTED,)


def test_a_dispatcher_that_repeats_itself_cannot_grow_the_log() -> None:
    """Late results are recorded up to a bound, and answered beyond it."""
    state = a_run(a_graph("a", "b"), "a done")
    zombie = settled(inp.Succeeded(Ref("old")), epoch=99)

    decision = decide(state, [zombie] * (MAX_REJECTED + 5))

    assert len(decision.events) == MAX_REJECTED
    assert decision.verdicts == (Verdict.LATE,) * (MAX_REJECTED + 5)
    assert decide(told(state, *[zombie] * MAX_REJECTED), [zombie]).events == ()


@pytest.mark.parametrize("word", ["b done", "b failed", "b lost", "b stopped"])
def test_a_step_that_was_never_offered_cannot_end(word: str) -> None:
    """R2-38: an end needs a beginning."""
    state = a_run(a_graph("a", "b<-a"), "a yes")

    assert decided(state, word).verdicts == (Verdict.LATE,)
    assert told(state, a_word(state, word)).steps == state.steps


def test_an_attempt_that_may_heal_is_tried_again_later() -> None:
    """The failed attempt is over, a timer holds the step back, nobody waits for a task."""
    state = a_run(a_graph("a*3"), "a yes")

    decision = decide(state, [settled(inp.Errored(FLAKY, USAGE))])

    delay = decision.timers[0].delay_seconds
    assert 1.0 <= delay <= 2.0
    assert decision.events == (ev.StepRetrying(0, 1, FLAKY, delay, 7, USAGE),)
    assert decision.timers == (SetTimer(inp.TimerKind.RETRY, 0, 1, delay),)
    assert decision.asks == ()


def test_equal_runs_do_not_retry_in_step() -> None:
    """What an overloaded provider refused at once comes back spread, and alike on every replica."""
    state = a_run(a_graph("a*3"), "a yes")
    refused = [settled(inp.Errored(FLAKY), epoch=epoch) for epoch in range(1, 51)]

    delays = [decide(state, [given]).timers[0].delay_seconds for given in refused]

    assert len(set(delays)) > 40
    assert delays == [decide(state, [given]).timers[0].delay_seconds for given in refused]


def test_the_timer_starts_the_next_attempt() -> None:
    """R2-51: the same prompt is offered again, and the timer is used up by the commit."""
    state = a_run(a_graph("a*3"), "a flaky")

    decision = decided(state, "a due")

    assert decision.events == (ev.StepDispatched(0, 2, Ref("prompt of a")),)
    assert decision.guards == (TimerGuard(inp.TimerKind.RETRY, 0, 1),)
    assert decision.timers == ()


def test_attempts_come_to_an_end() -> None:
    """Three attempts fail three times, and the last failure is the step's."""
    state = a_run(a_graph("a*3"), "a flaky", "a due", "a flaky", "a due")

    assert state.steps[0].attempt == 3
    assert what_happens(state, "a flaky") == ["a#3 failed: overloaded", "render what there is?"]


def test_without_a_pause_the_next_attempt_begins_at_once() -> None:
    """A policy of no delay needs no timer."""
    state = a_run(a_graph("a()*2", base_seconds=0.0))

    assert what_happens(state, "a flaky") == ["a#1 retrying: overloaded", "a#2 dispatched"]
    assert decided(state, "a flaky").timers == ()


@pytest.mark.parametrize("failure_class", [FailureClass.FATAL, FailureClass.LOST])
def test_what_cannot_heal_is_not_tried_again(failure_class: FailureClass) -> None:
    """The class decides, however many attempts are left."""
    state = a_run(a_graph("a*9"), "a yes")
    error = Failure("e", "m", failure_class)

    decision = decide(state, [settled(inp.Errored(error))])

    assert decision.events == (ev.StepFailed(0, 1, error, False, 7),)


@pytest.mark.parametrize(
    "state",
    [
        a_run(a_graph("a*2", "b"), "a yes"),
        a_run(a_graph("a*2", "b"), "a flaky", "a due"),
        a_run(a_graph("a*3", "b"), "a flaky", "a due", "a flaky"),
        a_run(a_graph("a*2", "b"), "b failed"),
        a_run(a_graph("a*2", "b"), "a flaky", "b failed"),
    ],
)
def test_a_timer_that_no_longer_holds_anything_is_late(state: RunState) -> None:
    """D2-12, P1: a retry timer starts the attempt after its own, once, and only while it waits."""
    timer = inp.TimerFired(inp.TimerKind.RETRY, 0, 1)

    assert decide(state, [timer]).verdicts == (Verdict.LATE,)
    assert told(state, timer) == state


def test_a_retry_timer_of_no_step_is_late() -> None:
    """Only the deadline belongs to the run as a whole."""
    state = a_run(a_graph("a*2"), "a flaky")

    assert decide(state, [inp.TimerFired(inp.TimerKind.RETRY, inp.RUN_LEVEL, 1)]).events == ()


def test_dependents_wait_through_a_retry() -> None:
    """R2-19, R2-22: a step that is held back has not ended."""
    state = a_run(a_graph("a*2", "b<-a"), "a flaky")

    assert statuses(state) == {"run": "running", "a": "pending", "b": "pending"}
    assert what_happens(state) == []
    assert what_happens(a_run(state.graph, "a flaky", "a due"), "a done") == [
        "a#2 completed",
        "prepare b?",
    ]
