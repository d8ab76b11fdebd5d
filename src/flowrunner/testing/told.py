"""What a rehearsal tells: how the run ended, and everything that led to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flowrunner.core.events import Event


class UnscriptedError(AssertionError):
    """The rehearsal came to something that its script does not cover."""


@dataclass(frozen=True, slots=True)
class StepTold:
    """One step at the end; *prompts* are what its agent, or a person, was asked, per attempt."""

    key: str
    status: str
    attempts: int = 0
    output: Any = None
    error: str = ""
    reason: str = ""
    prompts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """How the run ended. *waiting* names approvals that nobody decided: then it has not.

    *seconds* is what the run took on its own clock, on which only agents, people and timers take
    time.
    """

    status: str
    outcome: str = ""
    degraded: bool = False
    error: str = ""
    markdown: str = ""
    data: Any = None
    steps: Mapping[str, StepTold] = field(default_factory=dict[str, StepTold])
    waiting: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()
    seconds: float = 0.0
