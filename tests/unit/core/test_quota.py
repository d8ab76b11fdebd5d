"""A provider's quota that is used up: a wait, and no failure of the step (F52)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import (
    FLAKY,
    QUOTA,
    a_graph,
    a_run,
    a_word,
    an_epoch,
    decided,
    told,
    what_happens,
)
from flowrunner.core import events as ev
from flowrunner.core import inputs as inp
from flowrunner.core.codec import decode, encode
from flowrunner.core.decision import SetTimer, Verdict
from flowrunner.core.folding import fold
from flowrunner.core.graph import RetryPolicy, Siblings
from flowrunner.core.model import Failure, FailureClass, Ref, RunStatus, StepStatus
from flowrunner.core.retries import quota_delay, waits_for_quota
from flowrunner.core.scheduling import decide

HOUR = 3600.0


def settled(outcome: inp.Outcome, attempt: int = 1, epoch: int = 7) -> inp.TaskSettled:
    return inp.TaskSettled(0, attempt, epoch, outcome)


def test_a_step_of_one_attempt_waits_for_quota_and_keeps_its_attempt() -> None:
    """F52: no retry is allowed, and none is needed: nothing is counted, a timer holds the step."""
    state = a_run(a_graph("a"), "a yes")
    said = inp.Errored(QUOTA, pause_seconds=90.0)

    decision = decide(state, [settled(said)])

    (timer,) = decision.timers
    assert timer == SetTimer(inp.TimerKind.RETRY, 0, 1, timer.delay_seconds)
    assert decision.events == (ev.StepRetrying(0, 1, QUOTA, timer.delay_seconds, 7, counted=False),)
    after = fold(state, decision.events)
    assert (after.steps[0].status, after.steps[0].delayed) == (StepStatus.PENDING, True)
    assert (after.steps[0].failures, after.steps[0].crashes) == (0, 0)


def test_what_failed_after_a_wait_still_has_all_its_attempts() -> None:
    """F52, F30: three attempts fail three times, however often quota was waited for between."""
    state = a_run(a_graph("a*3"), "a quota", "a due", "a flaky", "a due", "a quota", "a due")
    state = told(state, a_word(state, "a flaky"))
    state = told(state, a_word(state, "a due"))

    assert (state.steps[0].attempt, state.steps[0].failures) == (5, 2)
    assert what_happens(state, "a flaky") == ["a#5 failed: overloaded", "render what there is?"]


def test_the_run_goes_on_by_itself() -> None:
    """F52: once the timer fires the same prompt is offered again, and nobody is asked."""
    state = a_run(a_graph("a"), "a quota:90")

    decision = decided(state, "a due")

    assert decision.events == (ev.StepDispatched(0, 2, Ref("prompt of a")),)
    assert what_happens(a_run(a_graph("a"), "a quota:90", "a due"), "a done")[0] == "a#2 completed"


def test_a_policy_that_names_its_classes_decides() -> None:
    """F30: without quota among them a quota that is used up ends the step as any failure does."""
    policy = RetryPolicy(max_attempts=3, classes=("transient",))
    state = a_run(a_graph("a", a={"retry": policy}), "a quota:5")

    assert state.steps[0].status is StepStatus.FAILED


@pytest.mark.parametrize("failure_class", [c for c in FailureClass if c is not FailureClass.QUOTA])
def test_only_quota_is_spared(failure_class: FailureClass) -> None:
    """F52: every other class is counted, whatever its report says of a pause."""
    assert not waits_for_quota(RetryPolicy(), Failure("e", "m", failure_class))
    assert waits_for_quota(RetryPolicy(), QUOTA)
    state = a_run(a_graph("a*3"), "a yes")
    said = inp.Errored(Failure("e", "m", failure_class), pause_seconds=500.0)

    for event in decide(state, [settled(said)]).events:
        assert not isinstance(event, ev.StepRetrying) or event.counted


@given(st.floats(0, 30 * 24 * HOUR), st.integers(1, 500), st.text(max_size=20))
def test_nobody_comes_back_before_the_announced_time(pause: float, waits: int, seed: str) -> None:
    """F52: nor much later: within a twentieth of it, and a minute at most (or the pace, below)."""
    delay = quota_delay(pause, waits, seed)

    least = max(pause, min(60.0, 2.0 ** min(waits - 1, 60)))
    assert round(least, 3) <= delay <= round(least + min(60.0, 1.0 + least / 20), 3)


@pytest.mark.parametrize(
    ("waits", "least"),
    [(0, 60.0), (1, 60.0), (2, 120.0), (3, 240.0), (6, 1920.0), (7, HOUR), (5000, HOUR)],
)
def test_without_a_time_the_wait_doubles_up_to_an_hour(waits: int, least: float) -> None:
    """F52: who does not say until when is asked after a minute, and ever more seldom."""
    assert least <= quota_delay(None, waits, "s") <= least + 60


def test_a_provider_that_announces_nothing_but_moments_is_asked_more_and_more_seldom() -> None:
    """P11: a report may say "in 0 s" for ever; the log does not grow by it every second."""
    delays = [quota_delay(0.0, waits, "s") for waits in range(1, 9)]

    assert delays == sorted(delays)
    assert delays[0] <= 2.1
    assert delays[-1] >= 60


@pytest.mark.parametrize("pause", [1e18, float("inf")], ids=["ages", "endless"])
def test_no_wait_is_longer_than_any_quota(pause: float) -> None:
    """A report cannot put a step off for good: what is announced is bounded by 35 days."""
    assert 35 * 24 * HOUR <= quota_delay(pause, 1, "s") <= 35 * 24 * HOUR + 60


def test_what_waited_together_does_not_come_back_together() -> None:
    """F52: and every replica finds the same delay for the same attempt."""
    state = a_run(a_graph("a"), "a yes")
    said = [settled(inp.Errored(QUOTA, pause_seconds=600.0), epoch=n) for n in range(1, 101)]

    delays = [decide(state, [given]).timers[0].delay_seconds for given in said]

    assert len(set(delays)) > 90
    assert delays == [decide(state, [given]).timers[0].delay_seconds for given in said]


def test_the_unannounced_wait_grows_with_the_waits_and_not_with_failures() -> None:
    """F52: what is counted elsewhere makes no wait longer."""
    state = a_run(a_graph("a*9"), "a flaky", "a due", "a lost", "a flaky", "a due")
    epoch = an_epoch(0, state.steps[0].attempt)

    (first,) = decided(state, "a quota").timers
    later = told(told(state, a_word(state, "a quota")), inp.TimerFired(first.kind, 0, first.token))
    (second,) = decided(later, "a quota").timers

    assert epoch > 0
    assert 60 <= first.delay_seconds < 120 <= second.delay_seconds < 240


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("deadline", RunStatus.RUNNING),
        ("cancel", RunStatus.CANCELLED),
        ("a stop", RunStatus.RUNNING),
    ],
)
def test_what_ends_a_delay_ends_this_one(word: str, status: RunStatus) -> None:
    """F52, R2-22: a deadline, a cancel and a stop reach what waits for quota."""
    state = a_run(a_graph("a", deadline=60.0), "a quota:900")

    after = told(state, a_word(state, word))

    assert after.status is status
    assert after.steps[0].status.is_terminal


def test_a_paused_run_does_not_ask_a_provider() -> None:
    """F39: the quota is back while the run is paused: the step goes on when the run does."""
    state = a_run(a_graph("a"), "a quota:900", "pause")

    assert what_happens(state, "a due") == ["a due"]


def test_a_run_that_fails_waits_for_no_quota() -> None:
    """D2-07: what drains beside a failure is not begun again."""
    state = a_run(a_graph("a", "b", siblings=Siblings.DRAIN), "a yes", "b yes", "b failed")

    assert "a#1 failed: quota_exhausted" in what_happens(state, "a quota:5")


def test_a_repeated_report_waits_once() -> None:
    """P1: the second copy is a duplicate, the timer stays as it is."""
    state = a_run(a_graph("a"), "a yes")
    said = a_word(state, "a quota:90")

    again = decide(told(state, said), [said])

    assert again.verdicts == (Verdict.DUPLICATE,)
    assert again.timers == ()


def test_logs_of_earlier_days_mean_what_they_meant() -> None:
    """F40: a retry that says nothing of counting is counted, and is written as it ever was."""
    event = decode("step.retrying", 0, {"attempt": 1, "delay_seconds": 2.0, "error": _TOLD})

    assert event == ev.StepRetrying(0, 1, Failure("e", "m", FailureClass.QUOTA), 2.0)
    assert encode(event)[2].keys() == {"attempt", "delay_seconds", "error"}
    state = fold(a_run(a_graph("a*3"), "a yes"), [event])
    assert state.steps[0].failures == 1


_TOLD = {"code": "e", "message": "m", "failure_class": "quota"}


def test_record_and_partial_answer_go_with_the_attempt_that_they_are_of() -> None:
    """F55, none-has 4: kept by reference with the event that ends it; no state depends on them."""
    state = a_run(a_graph("a*2"), "a yes")
    said = inp.Errored(FLAKY, record=Ref("how"), partial=Ref("so far"))

    (retried,) = decide(state, [settled(said)]).events
    later = a_run(a_graph("a*2"), "a flaky", "a due")
    failed = decide(later, [settled(said, 2, 9)]).events[0]
    done = decide(state, [settled(inp.Succeeded(Ref("o"), record=Ref("how")))]).events[0]

    assert isinstance(retried, ev.StepRetrying)
    assert isinstance(failed, ev.StepFailed)
    assert isinstance(done, ev.StepCompleted)
    assert [(each.record, each.partial) for each in (retried, failed)] == [("how", "so far")] * 2
    assert done.record == "how"
    bare = ev.StepRetrying(0, 1, FLAKY, retried.delay_seconds, 7)
    assert fold(state, [retried]).steps == fold(state, [bare]).steps
