"""Approvals: a person is asked, reminded, and decides; the first decision stands (D2-10)."""

from __future__ import annotations

from flowrunner.core import events as ev
from flowrunner.core import inputs as inp
from flowrunner.core.bodies import EXPIRED_APPROVED, EXPIRED_REJECTED
from flowrunner.core.deciding import Deciding
from flowrunner.core.decision import Verdict
from flowrunner.core.generations import below
from flowrunner.core.graph import ApprovalSpec, Expiry, Rejection, StepKind
from flowrunner.core.model import Failure, StepStatus

MAX_REMINDERS = 20
"""A question without an end is not repeated for ever."""


def request(deciding: Deciding, given: inp.ApprovalBuilt) -> Verdict:
    """Ask; the step is blocked until somebody answers, or it expires."""
    number = given.step
    spec, step = deciding.spec(number), deciding.step(number)
    if spec.kind is not StepKind.APPROVAL or not step.is_ready:
        return Verdict.LATE
    attempt = step.attempt + 1
    asked = _approval(deciding, number)
    deciding.emit(
        ev.ApprovalRequested(number, attempt, given.request, given.digest, asked.expires_seconds)
    )
    arm(deciding, number)
    return Verdict.ACCEPTED


def arm(deciding: Deciding, number: int) -> None:
    """Set the timers of a question that is open."""
    asked, attempt = _approval(deciding, number), deciding.step(number).attempt
    if asked.expires_seconds is not None:
        deciding.set_timer(inp.TimerKind.EXPIRY, number, attempt, asked.expires_seconds)
    if asked.remind_seconds is not None:
        deciding.set_timer(inp.TimerKind.REMINDER, number, 1, asked.remind_seconds)


def decide_approval(deciding: Deciding, given: inp.ApprovalGiven) -> Verdict:
    """A person's decision; for a question that is not open any more it is late."""
    number = given.step
    step = deciding.step(number)
    if step.status is not StepStatus.BLOCKED or step.attempt != given.attempt:
        return Verdict.LATE
    if deciding.spec(number).kind is not StepKind.APPROVAL:
        return Verdict.LATE
    asked = _approval(deciding, number)
    then = "" if given.approved else given.then or asked.on_reject.value
    is_known = then in ("", *Rejection)
    if not is_known or (then == Rejection.REDO and asked.redo_from is None):
        return Verdict.LATE
    is_spent = then == Rejection.REDO and step.redos >= asked.max_redos
    said = ev.ApprovalDecided(
        number,
        given.approved,
        given.actor,
        given.answer,
        given.comment,
        Rejection.STOP.value if is_spent else then,
    )
    deciding.emit(said)
    if given.approved or then == Rejection.CONTINUE:
        deciding.complete(number, given.answer)
    elif then == Rejection.REDO and not is_spent and asked.redo_from is not None:
        send_back(deciding, asked.redo_from, given)
    else:
        after = f" after {step.redos} redos" if is_spent else ""
        message = f"rejected by {given.actor}{after}: {given.comment or 'no reason given'}"
        deciding.end_failed(number, Failure("approval_rejected", message))
    return Verdict.ACCEPTED


def send_back(deciding: Deciding, start: int, given: inp.ApprovalGiven) -> None:
    """Begin anew from *start*: what depends on it is stopped first, the rest goes on."""
    graph = deciding.draft.graph
    affected = sorted(below(graph, [start, given.step]))
    for number in affected:
        step = deciding.step(number)
        if number != given.step and not step.status.is_terminal:
            deciding.emit(ev.StepCancelled(number, "sent_back"))
        deciding.stop_children(number, "sent_back")
    again = tuple(n for n in affected if deciding.step(n).status is not StepStatus.EXCLUDED)
    generation = deciding.run.generation + 1
    reason = given.comment or "rejected"
    deciding.emit(ev.RunRetried(generation, again, reason, given.actor, graph.steps[start].key))


def expire(deciding: Deciding, number: int, token: int) -> bool:
    """Nobody decided in time; return whether that still means something."""
    if not _is_open(deciding, number) or deciding.step(number).attempt != token:
        return False
    policy = _approval(deciding, number).on_expiry
    if policy is Expiry.FAIL:
        deciding.end_failed(number, Failure("approval_expired", "nobody decided in time"))
        return True
    approved = policy is Expiry.APPROVE
    answer = EXPIRED_APPROVED if approved else EXPIRED_REJECTED
    then = "" if approved else Rejection.CONTINUE.value
    deciding.emit(ev.ApprovalDecided(number, approved, "expiry", answer, then=then))
    deciding.complete(number, answer)
    return True


def remind(deciding: Deciding, number: int, count: int) -> bool:
    """Say that a question is still open, and when to say so again."""
    if not _is_open(deciding, number):
        return False
    deciding.emit(ev.ApprovalReminded(number, count))
    every = _approval(deciding, number).remind_seconds
    if every is not None and count < MAX_REMINDERS:
        deciding.set_timer(inp.TimerKind.REMINDER, number, count + 1, every)
    return True


def _is_open(deciding: Deciding, number: int) -> bool:
    is_asked = deciding.spec(number).kind is StepKind.APPROVAL
    return is_asked and deciding.step(number).status is StepStatus.BLOCKED


def _approval(deciding: Deciding, number: int) -> ApprovalSpec:
    return deciding.spec(number).approval or ApprovalSpec()
