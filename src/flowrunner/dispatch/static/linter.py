"""Runs ruff so that nothing in the project can configure it, and nothing is written."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ruff import find_ruff_bin

from flowrunner.core.errors import FlowRunnerError
from flowrunner.dispatch.static.clock import Clock
from flowrunner.dispatch.static.rules.shape import LIMITS

SYNTAX_ERROR = "syntax-error"

_BATCH_FILES = 500
_BATCH_CHARACTERS = 100_000
_ENVIRONMENT = {"PATH": os.defpath, "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"}
# The newest grammar: what only an older Python refuses is the project's choice, not an error.
_FLAGS = ("--isolated", "--no-cache", "--no-fix", "--exit-zero", "--no-respect-gitignore")
_SETTINGS = (*LIMITS, 'builtins=["get_ipython", "_", "ngettext", "__IPYTHON__", "WindowsError"]')
_TARGET = "py314"


class StaticAgentError(FlowRunnerError):
    """The agent cannot answer honestly; it says so and gives no answer at all."""

    code = "static-agent-failed"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    path: str
    code: str
    row: int
    end_row: int
    message: str
    fix: str


@dataclass(slots=True)
class RuffAnswer:
    """*failed* names files that ruff could not judge, each with the reason."""

    diagnostics: list[Diagnostic] = field(default_factory=list[Diagnostic])
    failed: dict[str, str] = field(default_factory=dict[str, str])


def ruff_version() -> str:
    return version("ruff")


def run_ruff(root: Path, paths: Sequence[str], codes: Sequence[str], clock: Clock) -> RuffAnswer:
    """Check *paths* below *root* for *codes*; a file that breaks ruff does not hide the others."""
    answer = RuffAnswer()
    for batch in _batches(sorted(paths)):
        _check(root, batch, codes, clock, answer)
    answer.diagnostics.sort(key=lambda d: (d.path, d.row, d.code, d.message))
    return answer


def _check(
    root: Path, batch: Sequence[str], codes: Sequence[str], clock: Clock, answer: RuffAnswer
) -> None:
    outcome = _call(root, batch, codes, clock)
    if not isinstance(outcome, str):
        answer.diagnostics += outcome
    elif len(batch) == 1 or clock.is_over():
        answer.failed |= dict.fromkeys(batch, outcome)
    else:
        middle = len(batch) // 2
        _check(root, batch[:middle], codes, clock, answer)
        _check(root, batch[middle:], codes, clock, answer)


def _call(
    root: Path, batch: Sequence[str], codes: Sequence[str], clock: Clock
) -> list[Diagnostic] | str:
    """Return the diagnostics, or why there are none."""
    settings = [part for setting in _SETTINGS for part in ("--config", setting)]
    selected = ("--select", ",".join(codes), "--target-version", _TARGET)
    argv = (find_ruff_bin(), "check", *_FLAGS, "--output-format", "json", *settings, *selected)
    try:
        done = subprocess.run(  # noqa: S603  # our own program, fixed flags, no shell
            [*argv, "--", *batch],
            cwd=root,
            env=_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=clock.left(),
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "ruff ran out of time"
    if done.returncode != 0:
        return f"ruff ended with {done.returncode}: {_last_words(done.stderr)}"
    return list(_read(done.stdout, root.resolve()))


def _read(output: bytes, root: Path) -> Iterator[Diagnostic]:
    told: list[dict[str, Any]] = json.loads(output)
    for each in told:
        fix: dict[str, Any] = each.get("fix") or {}
        yield Diagnostic(
            path=Path(each["filename"]).relative_to(root).as_posix(),
            code=SYNTAX_ERROR if each["code"] in {None, "invalid-syntax"} else each["code"],
            row=each["location"]["row"],
            end_row=each["end_location"]["row"],
            message=each["message"],
            fix=fix.get("message") or "",
        )


def _batches(paths: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for path in paths:
        if batch and (len(batch) >= _BATCH_FILES or size + len(path) > _BATCH_CHARACTERS):
            yield batch
            batch, size = [], 0
        batch.append(path)
        size += len(path) + 1
    if batch:
        yield batch


def _last_words(complaint: bytes) -> str:
    lines = complaint.decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:200] if lines else "without a word"
