"""What clients were told is done, kept outside of anything the program keeps."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import httpx2

from flowrunner.client import ClientError, RefusedError
from flowrunner.core.errors import UnavailableError

T = TypeVar("T")

AWAY = (ClientError, UnavailableError, httpx2.HTTPError, TimeoutError, OSError)
"""Whatever says that nobody knows whether it was done."""
_FIRST_OF_OURS = 500


def _is_final(error: Exception) -> bool:
    """Whether somebody said no, and not that it cannot be told now."""
    if isinstance(error, httpx2.HTTPStatusError):
        return error.response.status_code < _FIRST_OF_OURS
    return isinstance(error, RefusedError) and error.problem.status < _FIRST_OF_OURS


@dataclass(frozen=True, slots=True)
class Ack:
    """One answer that something is kept, and when it had been asked for."""

    what: str
    asked_at: float
    told_at: float


@dataclass(slots=True)
class Diary:
    """*launches* by key, *results* by task and epoch, *decisions* by approval."""

    launches: dict[str, str] = field(default_factory=dict[str, str])
    results: dict[tuple[str, int], str] = field(default_factory=dict[tuple[str, int], str])
    decisions: list[str] = field(default_factory=list[str])
    ended: dict[str, str] = field(default_factory=dict[str, str])
    epochs: list[int] = field(default_factory=list[int])
    acks: list[Ack] = field(default_factory=list[Ack])
    doubts: Counter[str] = field(default_factory=Counter[str])
    """Calls that were not answered, and were made again until they were."""
    replays: int = 0
    """Launches that a doubtful call had made already."""
    complaints: list[str] = field(default_factory=list[str])
    """What must not happen; told as it was seen."""

    async def told(self, what: str, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask once; note when, if it was answered, and that it is in doubt, if not."""
        asked_at = time.monotonic()
        try:
            answer = await ask()
        except AWAY as error:
            self.doubts[what] += 1
            if _is_final(error):
                self.complaints.append(f"{what} was refused: {error}")
            raise
        self.acks.append(Ack(what, asked_at, time.monotonic()))
        return answer

    def recovered_at(self, fault_at: float) -> float | None:
        """When the first write that was asked for after *fault_at* was acknowledged."""
        later = [ack.told_at for ack in self.acks if ack.asked_at >= fault_at]
        return min(later, default=None)

    def was_served_until(self, fault_at: float) -> float:
        """When the last write before *fault_at* was acknowledged."""
        return max(ack.told_at for ack in self.acks if ack.told_at <= fault_at)
