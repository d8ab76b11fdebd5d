"""What a flow's own functions are given: at launch, while it runs, and for its report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TypeAlias, TypeVar
from uuid import UUID

from pydantic import BaseModel, JsonValue

from flowrunner.core.model import Usage

Given = TypeVar("Given")
NamedText: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Project:
    """What a flow runs against; *root* is absolute."""

    id: int
    name: str
    root: Path


@dataclass(frozen=True, slots=True)
class Launch:
    """All that a gate may know: there are no results yet (R2-06)."""

    input: BaseModel
    band: str
    project: Project

    def given(self, kind: type[Given]) -> Given:
        """Return the input as the flow's own model. Raises TypeError if it is another one."""
        return _expect(self.input, kind, "the input")


@dataclass(frozen=True, slots=True)
class StepResult:
    """How one step stands; *error* has `code` and `message` when it failed."""

    key: str
    status: str
    output: object | None = None
    error: Mapping[str, object] | None = None

    @property
    def message(self) -> str:
        """Why it failed, in words, or nothing."""
        return str(self.error.get("message", "")) if self.error else ""


@dataclass(frozen=True, slots=True)
class Context:
    """What prompts, code steps and `when` see.

    *results* holds completed steps only (R2-16), as the model that `output=` names; *outcomes*
    holds every step. *nonce* is secret from whoever writes the text that it fences.
    """

    run_id: UUID
    input: BaseModel
    band: str
    project: Project
    model: str | None
    nonce: str
    results: Mapping[str, object]
    outcomes: Mapping[str, StepResult]
    persona: str | None = None

    def given(self, kind: type[Given]) -> Given:
        """Return the input as the flow's own model. Raises TypeError if it is another one."""
        return _expect(self.input, kind, "the input")

    def result(self, key: str, kind: type[Given]) -> Given | None:
        """Return a step's output, None if it did not complete. Raises TypeError if not *kind*."""
        found = self.results.get(key)
        return None if found is None else _expect(found, kind, f"the output of '{key}'")


@dataclass(frozen=True, slots=True)
class Census:
    """What became of every step, by key; a reader must be able to see what did not happen."""

    ok: tuple[str, ...] = ()
    failed: tuple[NamedText, ...] = ()
    skipped: tuple[str, ...] = ()
    excluded: tuple[NamedText, ...] = ()
    retried: tuple[tuple[str, int], ...] = ()
    cancelled: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportContext(Context):
    """What `render` sees. *partial*: the run did not complete; render what there is (D2-32)."""

    census: Census
    partial: bool
    flow: str
    commit: str | None
    started_at: datetime
    definition: str
    usage: Usage | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """*outcome* is what the flow found, apart from whether it ran; *data* is for machines."""

    markdown: str
    data: JsonValue = field(default_factory=dict[str, JsonValue])
    sarif: JsonValue | None = None
    outcome: str = "ok"


def _expect(value: object, kind: type[Given], what: str) -> Given:
    if not isinstance(value, kind):
        raise TypeError(f"{what} is a {type(value).__name__}, not a {kind.__name__}")
    return value
