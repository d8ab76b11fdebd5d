"""What a decision means in rows of approvals: questions asked, answered, expired, withdrawn."""

from __future__ import annotations

from flowrunner.core import events as ev
from flowrunner.core.decision import TimerGuard
from flowrunner.core.graph import StepKind
from flowrunner.core.inputs import TimerKind
from flowrunner.core.model import StepStatus
from flowrunner.db.changes import Change, Json


def approval_rows(change: Change) -> list[Json]:
    """One row per question that this decision opens or closes.

    An answer closes a question; else it is closed when its step ends or begins anew.
    """
    questions = _Questions(change)
    for event in change.decision.events:
        match event:
            case ev.ApprovalRequested():
                questions.ask(event)
            case ev.ApprovalDecided():
                questions.answer(event)
            case ev.StepCompleted() | ev.StepFailed() | ev.StepSkipped() | ev.StepCancelled():
                questions.drop(event.step)
            case ev.RunRetried(steps=steps):
                for number in steps:
                    questions.drop(number)
            case _:
                pass
    return questions.rows()


class _Questions:
    def __init__(self, change: Change) -> None:
        self._change = change
        self._open: dict[int, int | None] = {}
        self._rows: dict[tuple[int, int], Json] = {}
        self._expired = {
            guard.step
            for guard in change.decision.guards
            if isinstance(guard, TimerGuard) and guard.kind is TimerKind.EXPIRY
        }

    def rows(self) -> list[Json]:
        run = str(self._change.run_id)
        return [{"run": run, "s": s, "a": a, **row} for (s, a), row in self._rows.items()]

    def ask(self, event: ev.ApprovalRequested) -> None:
        self._open[event.step] = event.attempt
        self._rows[event.step, event.attempt] = {
            "status": "open",
            "request": event.request,
            "digest": event.digest,
            "expires": event.expires_seconds,
        }

    def answer(self, event: ev.ApprovalDecided) -> None:
        """Also by its expiry, where the flow says what that means."""
        given = "approved" if event.approved else "rejected"
        self._close(event.step, "expired" if event.step in self._expired else given)
        attempt = max(attempt for step, attempt in self._rows if step == event.step)
        told = {"actor": event.actor, "comment": event.comment, "answer": event.answer}
        self._rows[event.step, attempt].update(told)

    def drop(self, step: int) -> None:
        if self._attempt(step) is not None:
            self._close(step, "expired" if step in self._expired else "withdrawn")

    def _close(self, step: int, status: str) -> None:
        attempt = self._attempt(step)
        if attempt is None:
            msg = f"step {step} has no question that could be answered"
            raise ValueError(msg)
        self._rows.setdefault((step, attempt), {})["status"] = status
        self._open[step] = None

    def _attempt(self, step: int) -> int | None:
        """Which of the step's questions is open."""
        if step in self._open:
            return self._open[step]
        if step >= len(self._change.before.steps):
            return None
        before = self._change.before.steps[step]
        is_asked = (
            before.status is StepStatus.BLOCKED
            and self._change.after.spec(step).kind is StepKind.APPROVAL
        )
        return before.attempt if is_asked else None
