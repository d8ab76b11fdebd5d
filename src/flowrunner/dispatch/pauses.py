"""Which providers answer nobody, as far as a worker knows, and what it says instead of asking."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from flowrunner.dispatch.adapters import failures
from flowrunner.dispatch.agents import Agent, agent_for
from flowrunner.dispatch.ports import Task
from flowrunner.dispatch.preparing import provider_of
from flowrunner.leases.keeper import steady
from flowrunner.leases.ports import Clock
from flowrunner.wire.tasks import TaskError, TaskReport

_LONGEST_SECONDS = 35 * 86400.0


def _now() -> datetime:
    return datetime.now(UTC)


class Pauses:
    """Learnt from this worker's own reports at once, and from every renewal what others learnt.

    Kept by a clock that never jumps: a renewal says seconds from now, and an announced moment is
    turned into seconds when it is heard.
    """

    def __init__(self, clock: Clock = steady, wall: Callable[[], datetime] = _now) -> None:
        self._clock = clock
        self._wall = wall
        self._own: dict[str, float] = {}
        self._told: dict[str, float] = {}

    def told(self, paused: Mapping[str, float]) -> None:
        """Take a renewal's word, all of it: who is not named any more answers again.

        What this worker heard itself counts until the database names it, for the report may not
        have arrived yet; from then on the database is right.
        """
        now = self._clock()
        self._told = {provider: now + seconds for provider, seconds in paused.items()}
        self._own = {
            provider: until
            for provider, until in self._own.items()
            if until > now and provider not in self._told
        }

    def heard(self, report: TaskReport) -> TaskReport:
        """Learn from a report of ours; returned with the moment that its words announce."""
        report = _announced(report, self._wall())
        if report.provider is not None and report.quota_until is not None:
            seconds = (report.quota_until - self._wall()).total_seconds()
            until = self._clock() + min(seconds, _LONGEST_SECONDS)
            self._own[report.provider] = max(until, self._own.get(report.provider, until))
        return report

    def until(self, provider: str) -> datetime | None:
        """Until when nothing may be sent to *provider*, by this machine's wall clock."""
        untils = (self._own.get(provider), self._told.get(provider))
        left = max((until for until in untils if until is not None), default=0.0) - self._clock()
        return self._wall() + timedelta(seconds=left) if left > 0 else None

    def instead(self, task: Task, agents: Mapping[str, Agent]) -> TaskReport | None:
        """Return the report of a task that is not even begun; None when it may be."""
        agent = agent_for(task, agents)
        if isinstance(agent, TaskError):
            return None
        provider = provider_of(task, agent)
        until = self.until(provider)
        return None if until is None else waiting(task.epoch, provider, until)


def waiting(epoch: int, provider: str, until: datetime) -> TaskReport:
    """Report that nothing was started, since *provider* answers nobody until then.

    It announces nothing itself: that is known, and saying it again by another clock, and later,
    would make every pause a little longer.
    """
    told = until.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    error = TaskError(
        code="quota_exhausted",
        message=f"{provider} answers nobody until {told} UTC; nothing was started",
        failure_class="quota",
    )
    return TaskReport(epoch=epoch, outcome="failed", error=error, provider=provider)


def _announced(report: TaskReport, now: datetime) -> TaskReport:
    error = report.error
    is_quota = error is not None and error.failure_class == "quota"
    if error is None or not is_quota or report.provider is None or report.quota_until is not None:
        return report
    return report.model_copy(update={"quota_until": failures.until(error.message, now)})
