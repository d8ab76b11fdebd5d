"""What a worker knows of providers that answer nobody, and what it does with it (F52)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dispatch.tasks import a_program, a_task
from flowrunner.dispatch.agents import Agent
from flowrunner.dispatch.pauses import Pauses, waiting
from flowrunner.wire.tasks import TaskError, TaskReport

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
AGENTS: dict[str, Agent] = {"mine": a_program("")}


@dataclass
class Times:
    """A steady clock and the wall's, which somebody may set."""

    steady: float = 1000.0
    wall: datetime = NOON

    def pass_by(self, seconds: float) -> None:
        self.steady += seconds
        self.wall += timedelta(seconds=seconds)

    def pauses(self) -> Pauses:
        return Pauses(lambda: self.steady, lambda: self.wall)


def quota(message: str = "used up", **given: Any) -> TaskReport:
    error = TaskError(code="quota_exhausted", message=message, failure_class="quota")
    told: dict[str, Any] = {"provider": "mine", **given}
    return TaskReport(epoch=7, outcome="failed", error=error, **told)


def test_what_its_own_agent_was_told_holds_at_once_and_ends_by_itself() -> None:
    """F52: from the report on nothing is started for that provider; others are not concerned."""
    times = Times()
    pauses = times.pauses()
    pauses.heard(quota(quota_until=NOON + timedelta(seconds=90)))

    assert pauses.until("mine") == NOON + timedelta(seconds=90)
    assert pauses.until("other") is None
    times.pass_by(89.9)
    assert pauses.instead(a_task(), AGENTS) is not None
    times.pass_by(0.2)
    assert pauses.instead(a_task(), AGENTS) is None


def test_the_longest_word_of_its_own_counts() -> None:
    """F52: four agents met the same limit; the one that says less does not shorten the wait."""
    pauses = Times().pauses()
    for seconds in (60, 90, 30):
        pauses.heard(quota(quota_until=NOON + timedelta(seconds=seconds)))

    assert pauses.until("mine") == NOON + timedelta(seconds=90)


def test_what_others_met_is_learnt_from_a_renewal_as_seconds_from_now() -> None:
    """F52: no two clocks are compared: this one is an hour wrong, and set while it waits."""
    times = Times(wall=NOON - timedelta(hours=1))
    pauses = times.pauses()
    pauses.told({"mine": 120.0})

    assert pauses.until("mine") == times.wall + timedelta(seconds=120)
    times.wall += timedelta(hours=1)
    times.steady += 119
    assert pauses.until("mine") == times.wall + timedelta(seconds=1)
    times.steady += 2
    assert pauses.until("mine") is None


def test_the_database_may_take_a_pause_back() -> None:
    """F52: an operator bought quota; who is not named any more answers again."""
    pauses = Times().pauses()
    pauses.told({"mine": 120.0})

    pauses.told({"other": 5.0})

    assert pauses.until("mine") is None
    assert pauses.until("other") is not None


def test_a_renewal_that_is_older_than_a_report_takes_nothing_back() -> None:
    """F52: our word counts until the database has it; then the database is right, in both ways."""
    pauses = Times().pauses()
    pauses.heard(quota(quota_until=NOON + timedelta(seconds=90)))

    pauses.told({})
    assert pauses.until("mine") is not None
    pauses.told({"mine": 60.0})
    assert pauses.until("mine") == NOON + timedelta(seconds=60)
    pauses.told({})
    assert pauses.until("mine") is None


def test_words_that_announce_a_moment_are_read() -> None:
    """F52: an agent's last words are all that a command has to say when its quota is back."""
    pauses = Times().pauses()

    told = pauses.heard(quota("no quota left; it said last: try again in 2 minutes"))
    silent = pauses.heard(quota("no quota left", provider="other"))

    assert told.quota_until == pauses.until("mine") == NOON + timedelta(minutes=2)
    assert (silent.quota_until, pauses.until("other")) == (None, None)


@pytest.mark.parametrize(
    "report",
    [
        TaskReport(epoch=7, outcome="completed", output="try again in 2 minutes"),
        quota("try again in 2 minutes", provider=None),
        quota("try again in 2 minutes").model_copy(
            update={"error": TaskError(code="agent_failed", message="try again in 2 minutes")}
        ),
    ],
    ids=["an answer", "nobody's quota", "another failure"],
)
def test_only_a_quota_that_is_somebodys_is_read_so(report: TaskReport) -> None:
    """P9: what an agent answers, or why it failed otherwise, pauses nobody."""
    pauses = Times().pauses()

    assert pauses.heard(report) == report
    assert pauses.until("mine") is None


def test_no_word_pauses_a_provider_for_good() -> None:
    """P4: a moment in a thousand years is a mistake."""
    pauses = Times().pauses()
    pauses.heard(quota(quota_until=NOON.replace(year=3026)))

    assert pauses.until("mine") == NOON + timedelta(days=35)


def test_a_task_that_is_put_off_says_why_and_announces_nothing() -> None:
    """F52: or each report, by this clock and a little later, would make the pause longer."""
    pauses = Times().pauses()
    pauses.told({"mine": 120.0})

    report = pauses.instead(a_task(epoch=9), AGENTS)

    assert report == waiting(9, "mine", NOON + timedelta(seconds=120))
    assert report is not None
    assert report.error is not None
    assert (report.error.code, report.error.failure_class) == ("quota_exhausted", "quota")
    assert "mine answers nobody until 2026-11-21 12:02:00 UTC" in report.error.message
    assert (report.provider, report.quota_until) == ("mine", None)


def test_a_task_that_cannot_be_run_at_all_does_not_wait() -> None:
    """P4: an agent that nobody knows is told so now, whoever is paused."""
    pauses = Times().pauses()
    pauses.told({"nobody": 120.0})

    assert pauses.instead(a_task(agent="nobody"), AGENTS) is None
