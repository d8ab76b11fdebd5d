"""When nobody is declared dead, though leases have ended."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from flowrunner.engine.brake import Brake

GRACE, GAP = 10.0, 15.0


@dataclass
class Hall:
    """Two clocks, and a brake that is told what the one of them says."""

    now: float = 1000.0
    database: float = 5_000_000.0
    brake: Brake = field(init=False)

    def __post_init__(self) -> None:
        self.brake = Brake(grace_seconds=GRACE, gap_seconds=GAP, clock=lambda: self.now)

    def later(self, seconds: float, *, jump: float = 0.0) -> bool:
        """Look again after *seconds*, in which the database's clock was put forward by *jump*."""
        self.now += seconds
        self.database += seconds + jump
        return self.look()

    def look(self, answer_seconds: float = 0.0) -> bool:
        asked_at = self.brake.asked()
        self.now += answer_seconds
        self.database += answer_seconds
        return self.brake.holds(asked_at, self.database)


def test_in_quiet_times_it_does_not_hold() -> None:
    """L11, P3: who is dead is declared dead at once; the first look is no reason to wait."""
    hall = Hall()
    assert [hall.look(), hall.later(5.0), hall.later(6.0), hall.later(GAP)] == [False] * 4


@pytest.mark.parametrize("jump", [2.0, 3600.0])
def test_it_holds_while_workers_renew_after_a_jump(jump: float) -> None:
    """L11, P2: leases that ended before their time are prolonged, and then believed again."""
    hall = Hall()
    hall.look()
    assert hall.later(5.0, jump=jump)
    assert hall.later(GRACE - 1.0)
    assert not hall.later(1.0)


@pytest.mark.parametrize("jump", [-86_400.0, -2.0, 0.5])
def test_a_clock_that_is_put_back_or_adjusted_ends_no_lease(jump: float) -> None:
    """L11: what nobody lost by it is no reason to wait."""
    hall = Hall()
    hall.look()
    assert not hall.later(5.0, jump=jump)


def test_a_slow_answer_is_no_jump() -> None:
    """L11: the database read its clock at any moment between the question and the answer."""
    hall = Hall()
    hall.look(answer_seconds=9.0)
    assert not hall.later(0.1)
    assert not hall.look(answer_seconds=9.0)


def test_it_holds_after_a_time_in_which_nobody_could_renew() -> None:
    """L11, P2: the database was away, or this machine was suspended with its workers."""
    hall = Hall()
    hall.look()
    assert hall.later(GAP + 1.0)
    assert hall.later(GRACE - 1.0)
    assert not hall.later(2.0)
