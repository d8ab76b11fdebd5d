"""Runs as a server tells them, for whatever shows them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flowrunner.wire.approvals import Approval
from flowrunner.wire.runs import Attempt, ChildCounts, ErrorText, Run, RunRow, Spent, StepRow, Tally
from unit.doors.stories import BEGAN, RUN, after

PUBLISH = "Publish the 14-page report?"


def a_row(short: str = "25174ca8", **given: Any) -> RunRow:
    """A run in a list; its id ends with *short*."""
    told: dict[str, Any] = {
        "id": UUID(f"{str(RUN)[:-8]}{short}"),
        "flow": "code-review",
        "band": "large",
        "status": "running",
        "degraded": False,
        "outcome": None,
        "title": "",
        "labels": {},
        "project": "shop",
        "launched_by": "ana",
        "trigger": "cli",
        "created_at": BEGAN,
        "finished_at": None,
        "steps": Tally(total=9, done=5, failed=1, running=2),
        "usage": Spent(),
        "error": None,
    }
    return RunRow.model_validate({**told, **given})


def a_run(**given: Any) -> Run:
    """One run whole."""
    told = {
        "version": 40,
        "project_root": "/home/ana/shop",
        "agent": "static",
        "model": None,
        "definition": "3f2c1a99" * 8,
        "input": {"base": "main"},
        "has_report": False,
        "updated_at": BEGAN,
    }
    return Run.model_validate({**a_row().model_dump(), **told, **given})


def a_step(number: int, key: str, status: str = "pending", **given: Any) -> StepRow:
    told: dict[str, Any] = {
        "step_no": number,
        "key": key,
        "label": key,
        "kind": "agent",
        "persona": None,
        "status": status,
        "attempt": 0 if status == "pending" else 1,
        "failures": 0,
        "crashes": 0,
        "delayed": False,
        "needs": (),
        "waiting_for": (),
        "reason": None,
        "error": None,
        "usage": Spent(),
        "dispatched_at": None if status == "pending" else BEGAN,
        "started_at": None if status in {"pending", "blocked"} else BEGAN,
        "finished_at": after(20) if status in {"completed", "failed"} else None,
        "worker": "w-1" if status == "running" else None,
    }
    return StepRow.model_validate({**told, **given})


def an_attempt(number: int, status: str = "completed", **given: Any) -> Attempt:
    told: dict[str, Any] = {
        "attempt": number,
        "generation": 1,
        "status": status,
        "error": ErrorText(code="agent_error", message="gave up") if status == "failed" else None,
        "usage": Spent(input_tokens=900, output_tokens=100, cost_microusd=20_000),
        "dispatched_at": BEGAN,
        "started_at": after(1),
        "finished_at": after(31),
        "worker": "w-1",
        "has_prompt": True,
        "has_output": status == "completed",
    }
    return Attempt.model_validate({**told, **given})


def a_question(short: str = "25174ca8", **given: Any) -> Approval:
    told: dict[str, Any] = {
        "id": "1.2.1",
        "run_id": UUID(f"{str(RUN)[:-8]}{short}"),
        "flow": "code-review",
        "run_title": "",
        "step": "publish",
        "label": "Publish",
        "round": 1,
        "title": PUBLISH,
        "body_md": f"# {PUBLISH}\n\nIt names 3 findings.",
        "form_schema": None,
        "digest": "d" * 64,
        "approvers": (),
        "on_reject": "stop",
        "requested_at": after(60),
        "expires_at": after(60 + 86_400),
        "status": "open",
        "decided_by": None,
        "decided_at": None,
        "comment": "",
    }
    return Approval.model_validate({**told, **given})


FORM: dict[str, Any] = {
    "type": "object",
    "required": ["risk"],
    "properties": {
        "risk": {"enum": ["low", "high"], "description": "How bad would it be?"},
        "notify": {"type": "boolean", "default": True},
    },
}

ERROR = ErrorText(code="contract", message="findings[2].line must be an integer")
COUNTS = ChildCounts(total=6, live=2, completed=3, failed=1)
STEPS = (
    a_step(
        0,
        "scope",
        "completed",
        kind="code",
        usage=Spent(input_tokens=8_000, output_tokens=100, cost_microusd=40_000),
    ),
    a_step(1, "lenses", "blocked", needs=("scope",), children=COUNTS),
    a_step(2, "verify", needs=("lenses",), waiting_for=("lenses",)),
    a_step(3, "publish", "blocked", kind="approval", needs=("scope",), approval="1.3.1"),
    a_step(4, "style", "excluded", reason="not in band small", attempt=0),
    *(
        a_step(
            5 + at,
            f"lenses[{key}]",
            status,
            parent="lenses",
            position=at,
            error=ERROR if status == "failed" or key == "tests" else None,
            delayed=key == "tests",
            attempt=1,
            usage=Spent(input_tokens=20_000, cost_microusd=150_000),
        )
        for at, (key, status) in enumerate(
            {
                "security": "completed",
                "concurrency": "running",
                "naming": "failed",
                "tests": "pending",
                "日本語のレビュー": "completed",
                "performance": "completed",
            }.items()
        )
    ),
)
