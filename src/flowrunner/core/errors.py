"""Everything this project raises on purpose.

FlowRunnerError
  NotFoundError      the thing asked for does not exist
  ConflictError      it exists, but its state forbids the request
  InvalidInputError  what the caller sent cannot be accepted; carries every problem at once
  InvalidFlowError   a flow or persona file cannot be accepted; carries every problem at once
  UnavailableError   the database or a server cannot be reached now; trying again may help
    NotUnderstoodError   a later version wrote it: one of its replicas can be asked
  InvariantError     a bug in us; never caught, always loud
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with what was given: a code, where it is, and what to do about it."""

    code: str
    message: str
    file: str | None = None
    line: int | None = None
    column: int | None = None
    pointer: str | None = None
    hint: str | None = None

    def __str__(self) -> str:
        place = self.pointer or ""
        if self.file is not None:
            parts = (self.file, self.line, self.column)
            place = ":".join(str(part) for part in parts if part is not None)
        text = f"{place}: {self.code}: {self.message}" if place else f"{self.code}: {self.message}"
        return f"{text}\n    hint: {self.hint}" if self.hint else text


class FlowRunnerError(Exception):
    """The root; *code* is stable and documented, *hint* says what to do."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, hint: str | None = None, **context: object) -> None:
        super().__init__(message)
        self.hint = hint
        self.context = context


class NotFoundError(FlowRunnerError):
    code = "not-found"


class ConflictError(FlowRunnerError):
    code = "conflict"


class _ProblemsError(FlowRunnerError):
    def __init__(
        self, message: str, problems: Sequence[Problem], *, hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.problems = tuple(problems)


class InvalidInputError(_ProblemsError):
    code = "invalid-input"


class InvalidFlowError(_ProblemsError):
    code = "invalid-flow"


class UnavailableError(FlowRunnerError):
    code = "unavailable"


class NotUnderstoodError(UnavailableError):
    """What a run's rows hold means nothing to this version; another replica may be of theirs."""

    code = "not-understood"


class InvariantError(FlowRunnerError):
    code = "invariant-violation"


MEANINGLESS = (KeyError, ValueError, TypeError, IndexError)
"""What reading raises that meets a name or a field of a later version."""


def not_understood(error: Exception, run_id: object) -> NotUnderstoodError:
    """Say it of a run; *error* is what reading it raised."""
    told = f"this version cannot read the run, a later version may have written it: {error!r}"
    hint = "ask a replica of the newest version"
    return NotUnderstoodError(told, hint=hint, run_id=str(run_id))
