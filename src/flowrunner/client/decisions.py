"""Find the question that is meant, and write the decision on it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowrunner.client.errors import AmbiguousApprovalError, NoApprovalError
from flowrunner.wire.approvals import Approval, DecisionBody, Rejection


def pick(asked: Sequence[Approval], run: str, step: str | None) -> Approval:
    """Choose the open question of *step*, or the only open one; else the newest, decided or not.

    A question that was decided before is chosen on purpose: the server says by whom and when.
    Raises NoApprovalError or AmbiguousApprovalError.
    """
    meant = [each for each in asked if step in {None, each.step}]
    if not meant:
        what = f"step '{step}' of {run}" if step else run
        raise NoApprovalError(f"{what} asks for no approval")
    still_open = [each for each in meant if each.status == "open"]
    if len({each.step for each in still_open}) > 1:
        raise AmbiguousApprovalError(run, [each.step for each in still_open])
    return max(still_open or meant, key=lambda each: (each.requested_at, each.round))


def approval_of(found: Approval, comment: str, values: dict[str, Any] | None) -> DecisionBody:
    return DecisionBody(
        decision="approve", comment=comment, values=values or {}, digest=found.digest
    )


def rejection_of(found: Approval, comment: str, then: Rejection | None) -> DecisionBody:
    return DecisionBody(decision="reject", comment=comment, then=then, digest=found.digest)
