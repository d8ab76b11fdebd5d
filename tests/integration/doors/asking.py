"""Flows that ask people, and what tests of doors do with them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from fixtures.libraries import a_flow, agent, code
from fixtures.waiting import until
from flowrunner.core.model import RunId
from flowrunner.definitions.context import Context
from flowrunner.definitions.flow import Approval, Flow, Step
from integration.doors.conftest import Door

INBOX = "/api/v1/approvals"
RUNS = "/api/v1/runs"
ANA = {"X-Flowrunner-Actor": "ana"}
BEN = {"X-Flowrunner-Actor": "ben"}


class Choice(BaseModel):
    """What the approver fills in."""

    target: Literal["staging", "production"]
    copies: int = Field(default=1, ge=1, le=9)


def question(key: str = "ask", *needs: str, **approval: Any) -> Step:
    return Step(
        key,
        kind="approval",
        run="# Publish?\n\nTwo findings <b>stand</b>.",
        needs=needs,
        approval=Approval(**approval),
    )


def result_of(ctx: Context) -> object:
    return ctx.results["ask"]


def asking(**approval: Any) -> Flow:
    """Ask, then compute with the answer; beside it an agent works on."""
    return a_flow(question(**approval), code("after", "ask", run=result_of), agent("beside"))


async def asked(door: Door, run_id: RunId, status: str = "open") -> dict[str, Any]:
    """Wait for the run's question and return it."""

    async def look() -> dict[str, Any] | None:
        page = await door.json(INBOX, params={"status": status, "run": str(run_id)})
        return page["items"][0] if page["items"] else None

    return await until(look)


async def step_is(door: Door, run_id: RunId, key: str, status: str) -> dict[str, Any]:
    """Wait until a step stands so."""

    async def look() -> dict[str, Any] | None:
        row = await door.json(f"{RUNS}/{run_id}/steps/{key}")
        return row if row["status"] == status else None

    return await until(look)
