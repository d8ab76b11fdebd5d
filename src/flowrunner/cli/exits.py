"""How a command ends: one number per kind of ending, the same in `--json`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from flowrunner.cli.text import clean


class Exit(IntEnum):
    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    RUN_FAILED = 3
    RUN_CANCELLED = 4
    AT_APPROVAL = 5
    NOT_FOUND = 6
    REFUSED = 7
    DENIED = 8
    UNREACHABLE = 9
    INVALID = 10
    OUTCOME = 11
    TIMEOUT = 124
    INTERRUPTED = 130


OF_STATUS = {
    "completed": Exit.OK,
    "failed": Exit.RUN_FAILED,
    "cancelled": Exit.RUN_CANCELLED,
}


class CommandError(Exception):
    """A command that ends here; *problems* are its details, a line each."""

    def __init__(
        self,
        message: str,
        exit_code: Exit = Exit.UNEXPECTED,
        *,
        code: str = "error",
        problems: Iterable[str] = (),
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.code = code
        self.problems = tuple(problems)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Ending:
    """What is told of a failure: to people line by line, to machines as an object."""

    exit_code: Exit
    code: str
    message: str
    problems: tuple[str, ...] = ()
    hint: str | None = None

    def lines(self) -> list[str]:
        told = [f"error: {clean(self.message)}"]
        told += [f"  {clean(line)}" for problem in self.problems for line in problem.splitlines()]
        return told + ([f"hint: {clean(self.hint)}"] if self.hint else [])

    def to_json(self) -> dict[str, Any]:
        return {
            "error": self.message,
            "code": self.code,
            "exit_code": int(self.exit_code),
            "problems": list(self.problems),
            "hint": self.hint,
        }


def ending_of(error: Exception) -> Ending | None:
    """Explain an expected error; None for one that nobody expected."""
    if isinstance(error, CommandError):
        return Ending(error.exit_code, error.code, str(error), error.problems, error.hint)
    # Late: by now whatever could raise these is loaded anyway.
    from flowrunner.cli.failures import ending_of_failure  # noqa: PLC0415

    return ending_of_failure(error)
