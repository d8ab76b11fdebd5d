"""Runs that ask people, moved by hand."""

from __future__ import annotations

from fixtures.by_hand import ByHand, by_hand
from flowrunner.core.graph import ApprovalSpec, Graph, OnFail, StepKind, StepSpec
from flowrunner.db.pool import Conn

PLAIN = ApprovalSpec()


def a_question(asked: ApprovalSpec = PLAIN) -> Graph:
    """A code step, a question after it, and a code step beside both."""
    return Graph(
        (
            StepSpec("work", StepKind.CODE),
            StepSpec("ask", StepKind.APPROVAL, needs=(0,), approval=asked),
            StepSpec("beside", StepKind.CODE, on_fail=OnFail.TOLERATE),
        )
    )


async def asked(conn: Conn, spec: ApprovalSpec = PLAIN) -> ByHand:
    """A run that waits for an answer, and goes on beside it."""
    run = await by_hand(conn, a_question(spec))
    await run.hold()
    await run.complete("work")
    await run.ask("ask")
    return run
