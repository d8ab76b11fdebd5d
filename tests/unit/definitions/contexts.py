"""What an author's functions are called with, for tests: small, and without a run."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from flowrunner.definitions.context import (
    Census,
    Context,
    Launch,
    Project,
    ReportContext,
    StepResult,
)


class In(BaseModel):
    """What the flows of these tests are asked."""

    repo: str = "."
    base: str = "main"


PROJECT = Project(1, "demo", Path("/demo"))
LAUNCH = Launch(In(), "small", PROJECT)


def a_context(
    results: Mapping[str, object] | None = None,
    ended: Mapping[str, str] | None = None,
    **more: Any,
) -> Context:
    """Return a context in which the steps of *results* completed; *ended* is how others stand."""
    done = dict(results or {})
    outcomes = {key: StepResult(key, "completed", output=value) for key, value in done.items()}
    for key, status in (ended or {}).items():
        error = {"code": "x", "message": "it broke"} if status == "failed" else None
        outcomes[key] = StepResult(key, status, error=error)
    plain = Context(UUID(int=0), In(), "small", PROJECT, None, "n0", done, outcomes)
    return replace(plain, **more)


def a_report_context(results: Mapping[str, object] | None = None) -> ReportContext:
    """Return what a report is rendered from."""
    done = dict(results or {})
    return ReportContext(
        UUID(int=0), In(), "small", PROJECT, None, "n0", done, {},
        census=Census(ok=tuple(done)), partial=False, flow="demo", commit=None,
        started_at=datetime(2030, 1, 1, tzinfo=UTC), definition="0" * 64,
    )  # fmt: skip
