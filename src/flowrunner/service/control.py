"""Use cases of people who steer a run: pause, resume, retry, stop a step, render again.

Each may be repeated: what is so already is answered like the first time, with who did it and when.
What the state forbids is a ConflictError that says the same.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from flowrunner.core import inputs as inp
from flowrunner.core.decision import Verdict
from flowrunner.core.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    Problem,
)
from flowrunner.core.model import RunId, RunStatus
from flowrunner.db.acts import Act, StepEnd, find_last_act, find_step_end
from flowrunner.db.lookup import RunHead
from flowrunner.db.pages import find_graph
from flowrunner.db.pool import Pool
from flowrunner.engine.residents import Residents
from flowrunner.service.finding import RunFinder

_ENDS = ("run.completed", "run.failed", "run.cancelled")
_STOPPED = "stopped"
_TELLS = 3


class NotRetryableError(ConflictError):
    code = "not-retryable"


@dataclass(frozen=True, slots=True)
class Steered:
    """How the run stands, and who brought it there; *changed* is false when it was so before."""

    head: RunHead
    changed: bool
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True)
class StepStopped:
    step: StepEnd
    run: RunHead
    changed: bool
    actor: str
    at: datetime


class ControlService:
    """Tells runs what people want; the core decides whether it still means something."""

    def __init__(self, pool: Pool, residents: Residents) -> None:
        self._pool = pool
        self._residents = residents
        self._finder = RunFinder(pool)

    async def pause(self, run_id: RunId, reason: str, actor: str) -> Steered:
        """Offer nothing new; what is at work goes on. Raises ConflictError once the run ended."""
        verdict = await tell_live(
            self._residents, self._finder, run_id, inp.PauseRequested(reason, actor)
        )
        if verdict is Verdict.LATE:
            raise await self._too_late(run_id, "paused")
        return await self._steered(run_id, verdict, ("run.paused",))

    async def resume(self, run_id: RunId, reason: str, actor: str) -> Steered:
        """Go on. Raises ConflictError for a run that was never paused, or has ended."""
        verdict = await tell_live(
            self._residents, self._finder, run_id, inp.ResumeRequested(reason, actor)
        )
        if verdict is Verdict.LATE:
            raise await self._too_late(run_id, "resumed")
        return await self._steered(run_id, verdict, ("run.resumed",))

    async def retry(
        self, run_id: RunId, from_step: str | None, reason: str, actor: str
    ) -> tuple[Steered, int]:
        """Begin an ended run anew; return its new generation as well.

        The same request of the same actor is answered alike while the run it began is live. Raises
        NotRetryableError and, for a step that the run does not have, InvalidInputError.
        """
        number = None if from_step is None else await self._number(run_id, from_step)
        asked = inp.RetryRequested(reason, actor, number)
        verdict = await self._residents.tell(run_id, asked)
        begun = await self._last(run_id, ("run.retried",))
        if verdict is Verdict.LATE:
            head = await self._finder.head(run_id)
            told = (actor, reason, from_step or "")
            if head.status.is_terminal or begun is None or _told(begun) != told:
                raise await self._not_retryable(head, begun)
        steered = await self._steered(run_id, verdict, ("run.retried",))
        return steered, 1 if begun is None else int(begun.body["generation"])

    async def stop_step(self, run_id: RunId, key: str, reason: str, actor: str) -> StepStopped:
        """End one step's work: it fails as `stopped`. Raises ConflictError when it has ended."""
        step = await self._step(run_id, key)
        asked = inp.StopRequested(step.number, reason, actor)
        verdict = await self._residents.tell(run_id, asked)
        step = await self._step(run_id, key)
        if verdict is Verdict.LATE and (step.error or {}).get("code") != _STOPPED:
            at = None if step.finished_at is None else step.finished_at.isoformat()
            message = f"the step is {step.status} and cannot be stopped"
            raise ConflictError(message, status=step.status, at=at)
        head = await self._finder.head(run_id)
        changed = verdict is Verdict.ACCEPTED
        by = actor if changed else _stopper(step)
        return StepStopped(step, head, changed, by, step.finished_at or datetime.now(UTC))

    async def render(self, run_id: RunId, actor: str) -> Steered:
        """Have an ended run's report rendered again. Raises ConflictError while it is live."""
        verdict = await self._residents.tell(run_id, inp.RenderRequested(actor))
        head = await self._finder.head(run_id)
        if verdict is Verdict.LATE:
            hint = "wait for its end"
            raise ConflictError(
                f"the run is {head.status.value}", hint=hint, status=head.status.value
            )
        return Steered(head, changed=True, actor=actor, at=datetime.now(UTC))

    async def _steered(self, run_id: RunId, verdict: Verdict, types: Sequence[str]) -> Steered:
        head = await self._finder.head(run_id)
        act = await self._last(run_id, types)
        if act is None:
            message = f"the run is {head.status.value} and was never paused"
            raise ConflictError(message, status=head.status.value)
        return Steered(head, verdict is Verdict.ACCEPTED, act.actor, act.at)

    async def _too_late(self, run_id: RunId, what: str) -> ConflictError:
        head = await self._finder.head(run_id)
        end = await self._last(run_id, _ENDS)
        return ended(head, end, f"could be {what}")

    async def _not_retryable(self, head: RunHead, begun: Act | None) -> NotRetryableError:
        status = head.status.value
        if head.status.is_terminal:
            hint = "name a step to begin from"
            message = f"the run is {status}, and nothing in it failed that could be done again"
            return NotRetryableError(message, hint=hint, status=status)
        hint = "wait for its end, or cancel it"
        by = "" if begun is None else f" since {begun.actor} retried it at {_iso(begun.at)}"
        return NotRetryableError(
            f"the run is {status}{by}",
            hint=hint,
            status=status,
            actor=None if begun is None else begun.actor,
            at=None if begun is None else _iso(begun.at),
        )

    async def _step(self, run_id: RunId, key: str) -> StepEnd:
        async with self._pool.connection() as conn:
            step = await find_step_end(conn, run_id, key)
        if step is None:
            raise NotFoundError(f"the run has no step '{key:.100}'", run_id=str(run_id))
        return step

    async def _number(self, run_id: RunId, key: str) -> int:
        async with self._pool.connection() as conn:
            step = await find_step_end(conn, run_id, key)
            graph = None if step else await find_graph(conn, run_id)
        if step is not None:
            return step.number
        known = [each["key"] for each in (graph or {}).get("steps", ())]
        close = difflib.get_close_matches(key, known, n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"steps: {', '.join(known[:20])}"
        problem = Problem(
            "unknown-step", f"the run has no step '{key:.100}'", pointer="/from_step", hint=hint
        )
        raise InvalidInputError("the run cannot be retried", [problem])

    async def _last(self, run_id: RunId, types: Sequence[str]) -> Act | None:
        async with self._pool.connection() as conn:
            return await find_last_act(conn, run_id, types)


async def tell_live(
    residents: Residents, finder: RunFinder, run_id: RunId, given: inp.Input
) -> Verdict:
    """Tell a live run something; again if it was late for an end that a retry has undone since."""
    verdict = await residents.tell(run_id, given)
    for _ in range(_TELLS):
        if verdict is not Verdict.LATE or (await finder.head(run_id)).status.is_terminal:
            break
        verdict = await residents.tell(run_id, given)
    return verdict


def ended(head: RunHead, end: Act | None, before: str) -> ConflictError:
    """Say how the run ended, by whom and when, before it *before*."""
    if not head.status.is_terminal:
        # Ended and begun anew again and again, between question and answer.
        message = f"the run ended and began anew before it {before}"
        return ConflictError(message, hint="ask again", status=head.status.value)
    at = head.finished_at if end is None else end.at
    actor = "" if end is None else end.actor
    by = f" by {actor}" if actor else ""
    verb = "was cancelled" if head.status is RunStatus.CANCELLED else head.status.value
    return ConflictError(
        f"the run {verb}{by} before it {before}",
        status=head.status.value,
        actor=actor or None,
        at=None if at is None else _iso(at),
        finished_at=None if head.finished_at is None else _iso(head.finished_at),
    )


def _told(begun: Act) -> tuple[str, str, str]:
    body = begun.body
    return (begun.actor, str(body.get("reason", "")), str(body.get("from_step", "")))


def _stopper(step: StepEnd) -> str:
    """Whom the step's failure names: 'stopped by NAME', then perhaps a colon and the reason."""
    message = str((step.error or {}).get("message", ""))
    return message.removeprefix("stopped by ").partition(":")[0]


def _iso(at: datetime) -> str:
    return at.isoformat()
