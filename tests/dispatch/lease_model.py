"""What the database promises about leases, as a model to play the keeper's laws against."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from flowrunner.core.errors import UnavailableError
from flowrunner.wire.tasks import Renewal

Fault = Literal["none", "before", "after", "late"]


@dataclass(frozen=True, slots=True)
class Claim:
    epoch: int
    queue: str = "default"


@dataclass(slots=True)
class LeaseModel:
    """Worker rows with an expiry, leases with an owner, one clock, and a network that fails.

    *fault* says what happens to the next call: it never arrives, its answer is lost, or it is
    applied long after the caller gave up. *delay* passes between applying and answering.
    """

    now: float = 1000.0
    lease_seconds: float = 30.0
    fault: Fault = "none"
    delay: float = 0.0
    waiting: int = 0
    expires: dict[UUID, float] = field(default_factory=dict[UUID, float])
    owner: dict[int, UUID] = field(default_factory=dict[int, UUID])
    late: list[tuple[float, UUID, int]] = field(default_factory=list[tuple[float, UUID, int]])
    epochs: int = 0
    handed_back: set[int] = field(default_factory=set[int])

    def clock(self) -> float:
        return self.now

    async def register(self, worker_id: UUID) -> None:
        self._arrive()
        self.expires[worker_id] = self.now
        self._answer()

    async def renew(self, worker_id: UUID, lease_seconds: float, held: Collection[int]) -> Renewal:
        self._arrive()
        known = worker_id in self.expires
        if known:
            self.expires[worker_id] = self.now + lease_seconds
        lost = tuple(epoch for epoch in held if self.owner.get(epoch) != worker_id)
        self._answer()
        return Renewal(known=known, lost=lost if known else tuple(held))

    async def claim(self, worker_id: UUID, count: int) -> Sequence[Claim]:
        if self.fault == "late":
            self.late.append((self.now, worker_id, count))
        self._arrive()
        taken = self._take(worker_id, count)
        self._answer()
        return [Claim(epoch) for epoch in taken]

    async def release(self, worker_id: UUID, epochs: Collection[int]) -> int:
        self._arrive()
        count = self._hand_back([e for e in epochs if self.owner.get(e) == worker_id])
        self._answer()
        return count

    async def release_unknown(self, worker_id: UUID, keep: Collection[int]) -> int:
        self._arrive()
        mine = [e for e, owner in self.owner.items() if owner == worker_id and e not in keep]
        count = self._hand_back(mine)
        self._answer()
        return count

    async def deregister(self, worker_id: UUID) -> None:
        self._arrive()
        self.expires.pop(worker_id, None)
        self._answer()

    def commit_late(self) -> None:
        """Apply the claims whose callers gave up on them; a statement lives at most a lease."""
        for sent_at, worker_id, count in self.late:
            if self.now <= sent_at + self.lease_seconds:
                self._take(worker_id, count)
        self.late.clear()

    def reap(self) -> set[int]:
        """Take the leases of expired workers away, and return them."""
        dead = {w for w, expiry in self.expires.items() if expiry < self.now}
        taken = {e for e, owner in self.owner.items() if owner in dead or owner not in self.expires}
        self._free(taken)
        return taken

    def held_by(self, worker_id: UUID | None) -> set[int]:
        return {epoch for epoch, owner in self.owner.items() if owner == worker_id}

    def _take(self, worker_id: UUID, count: int) -> list[int]:
        if worker_id not in self.expires:
            return []
        taken = list(range(self.epochs + 1, self.epochs + 1 + min(count, self.waiting)))
        self.epochs += len(taken)
        self.waiting -= len(taken)
        self.owner.update(dict.fromkeys(taken, worker_id))
        return taken

    def _hand_back(self, epochs: Collection[int]) -> int:
        self.handed_back |= set(epochs)
        self._free(epochs)
        return len(epochs)

    def _free(self, epochs: Collection[int]) -> None:
        for epoch in epochs:
            del self.owner[epoch]
        self.waiting += len(epochs)

    def _arrive(self) -> None:
        if self.fault in {"before", "late"}:
            fault, self.fault = self.fault, "none"
            raise UnavailableError(f"the network failed: {fault}")

    def _answer(self) -> None:
        self.now += self.delay
        self.delay = 0.0
        if self.fault == "after":
            self.fault = "none"
            raise UnavailableError("the network failed: after")
