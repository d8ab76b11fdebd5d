"""Whether and when a failed attempt is tried again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.core.graph import RetryPolicy
from flowrunner.core.model import Failure, FailureClass
from flowrunner.core.retries import next_delay

POLICY = RetryPolicy(max_attempts=5, base_seconds=2.0, cap_seconds=10.0)


def failure(failure_class: FailureClass) -> Failure:
    return Failure("e", "m", failure_class)


@pytest.mark.parametrize(
    ("failure_class", "retried"),
    [
        (FailureClass.TRANSIENT, True),
        (FailureClass.QUOTA, True),
        (FailureClass.CONTRACT, True),
        (FailureClass.FATAL, False),
        (FailureClass.LOST, False),
    ],
)
def test_only_what_may_heal_is_tried_again(failure_class: FailureClass, *, retried: bool) -> None:
    """F30: the class decides: a fatal failure is final, and a lost attempt is counted elsewhere."""
    assert (next_delay(POLICY, failure(failure_class), 1, "s") is not None) is retried


@pytest.mark.parametrize(("failures", "retried"), [(1, True), (4, True), (5, False), (6, False)])
def test_the_last_attempt_is_the_last(failures: int, *, retried: bool) -> None:
    """Five attempts allow four retries."""
    delay = next_delay(POLICY, failure(FailureClass.TRANSIENT), failures, "s")

    assert (delay is not None) is retried


@pytest.mark.parametrize(("failures", "ceiling"), [(1, 2.0), (2, 4.0), (3, 8.0), (4, 10.0)])
@given(seed=st.text(max_size=20))
def test_the_wait_doubles_up_to_the_cap(failures: int, ceiling: float, seed: str) -> None:
    """F30: jitter moves a wait within the upper half of its ceiling, which doubles until the cap."""
    delay = next_delay(POLICY, failure(FailureClass.TRANSIENT), failures, seed)

    assert delay is not None
    assert ceiling / 2 <= delay <= ceiling


def test_waits_differ_between_runs() -> None:
    """What fails together does not come back together."""
    delays = {next_delay(POLICY, failure(FailureClass.QUOTA), 3, f"{n}/0") for n in range(100)}

    assert len(delays) > 90


def test_every_replica_waits_equally() -> None:
    """The wait is a function of the seed: these numbers are the same in any process."""
    waits = [next_delay(POLICY, failure(FailureClass.QUOTA), n, "7/3") for n in (1, 2, 3)]

    assert waits == [1.284, 3.637, 6.603]


def test_no_wait_is_a_wait_of_zero() -> None:
    """A policy without a pause retries at once."""
    eager = RetryPolicy(max_attempts=2, base_seconds=0.0)

    assert next_delay(eager, failure(FailureClass.CONTRACT), 1, "s") == 0.0


def test_very_many_failures_do_not_overflow() -> None:
    """Doubling stops before numbers do: the wait stays at its cap."""
    patient = RetryPolicy(max_attempts=10**6, cap_seconds=10.0)

    delay = next_delay(patient, failure(FailureClass.TRANSIENT), 5_000, "s")

    assert delay is not None
    assert 5.0 <= delay <= 10.0


def test_a_policy_may_name_fewer_classes() -> None:
    """F30: what may heal is tried again only where the step says so."""
    policy = RetryPolicy(5, classes=("quota",))

    assert next_delay(policy, Failure("busy", "later", FailureClass.QUOTA), 1, "s") is not None
    assert next_delay(policy, Failure("down", "later", FailureClass.TRANSIENT), 1, "s") is None
