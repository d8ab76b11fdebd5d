"""What a keeper needs of whoever stores the leases: SQL in process, or REST from afar."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, TypeVar
from uuid import UUID

LossReason: TypeAlias = Literal["lost", "unknown_worker", "self_fenced"]
OnLost: TypeAlias = Callable[[frozenset[int], LossReason], None]
OnPaused: TypeAlias = Callable[[Mapping[str, float]], None]
Clock: TypeAlias = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Profile:
    """What a worker says about itself; its id is the keeper's business."""

    name: str
    host: str
    pid: int
    queues: tuple[str, ...]
    slots: int
    version: str


class Renewal(Protocol):
    """*known* is false when the worker's row is gone; *lost* names leases that are not ours.

    *paused* are providers that answer nobody, with the seconds from now until they do: no two
    clocks are compared.
    """

    @property
    def known(self) -> bool: ...

    @property
    def lost(self) -> Sequence[int]: ...

    @property
    def paused(self) -> Mapping[str, float]: ...


class Leased(Protocol):
    """What was claimed; the epoch is the lease."""

    @property
    def epoch(self) -> int: ...


T_co = TypeVar("T_co", bound=Leased, covariant=True)


class LeasePort(Protocol[T_co]):
    """Where leases are stored. All may raise UnavailableError; the outcome is then unknown."""

    async def register(self, worker_id: UUID) -> None:
        """Make the worker known; each call has a new id."""
        ...

    async def renew(
        self, worker_id: UUID, lease_seconds: float, held: Collection[int]
    ) -> Renewal: ...

    async def claim(self, worker_id: UUID, count: int) -> Sequence[T_co]: ...

    async def release(self, worker_id: UUID, epochs: Collection[int]) -> int:
        """Hand leases back unharmed: offered again, and not counted as a crash."""
        ...

    async def release_unknown(self, worker_id: UUID, keep: Collection[int]) -> int:
        """Hand back every lease of this worker that is not in *keep*."""
        ...

    async def deregister(self, worker_id: UUID) -> None: ...
