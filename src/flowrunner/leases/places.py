"""Free places of this process's workers that the commit which offers a task may fill at once.

A task that goes to a worker in the very commit that makes it needs no claim: no second round trip,
no second commit, one entry in the queue instead of one that is moved. It must not overtake: only a
worker that found its queues empty, and has heard of nothing since, is given any.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from flowrunner.leases.ports import Leased


class Queued(Leased, Protocol):
    """A task that says which queue it came from."""

    @property
    def queue(self) -> str: ...


class Takes(Protocol):
    """What a keeper lets commits do."""

    def begin_take(self) -> UUID | None: ...
    def end_take(self, epochs: Collection[int], count: int) -> bool: ...
    def lose_take(self, count: int) -> None: ...


T_contra = TypeVar("T_contra", bound=Leased, contravariant=True)
Q = TypeVar("Q", bound=Queued)


class Places(Generic[T_contra]):
    """One worker's places: those that are free, and those that commits in flight may fill."""

    def __init__(
        self,
        keeper: Takes,
        queues: Collection[str],
        free: Callable[[], int],
        begin: Callable[[Sequence[T_contra]], None],
    ) -> None:
        self.queues = frozenset(queues)
        self._keeper = keeper
        self._free = free
        self._begin = begin
        self._reserved = 0
        self._is_hungry = False
        self._is_closed = False

    @property
    def is_hungry(self) -> bool:
        """Whether the queues were empty at the last look, and nothing was heard of since."""
        return self._is_hungry

    @property
    def reserved(self) -> int:
        """How many places commits in flight may fill; whoever claims leaves them free."""
        return self._reserved

    def looked(self, *, is_empty: bool) -> None:
        """The worker claimed; *is_empty*: less was there than it asked for."""
        self._is_hungry = is_empty and not self._is_closed

    def heard(self) -> None:
        """Somebody offered a task: it was there first."""
        self._is_hungry = False

    def reserve(self) -> UUID | None:
        """Keep one place for a commit; None when there is none. `fill` or `give_up` follows."""
        if not self._is_hungry or self._free() <= self._reserved:
            return None
        worker_id = self._keeper.begin_take()
        if worker_id is not None:
            self._reserved += 1
        return worker_id

    def close(self) -> None:
        """Begin nothing more: what commits in flight still take is handed back."""
        self._is_closed = True
        self._is_hungry = False

    def fill(self, tasks: Sequence[T_contra], reserved: int) -> None:
        """Begin *tasks*, for which *reserved* places were kept."""
        if self._is_closed:
            self.give_up(reserved)
            return
        self._reserved -= reserved
        if self._keeper.end_take([task.epoch for task in tasks], reserved):
            self._begin(tasks)

    def give_up(self, reserved: int) -> None:
        """The commit's answer was lost: tasks may be held for us that we do not know of."""
        self._reserved -= reserved
        self._keeper.lose_take(reserved)


class Seating(Generic[Q]):
    """All places of this process, for everybody who writes tasks."""

    def __init__(self) -> None:
        self._all: list[Places[Q]] = []

    def add(self, places: Places[Q]) -> None:
        self._all.append(places)

    def reserve(self) -> Reservation[Q]:
        """What one statement may fill."""
        return Reservation(self._all)


class Reservation(Generic[Q]):
    """The places that one commit was promised. As a context it gives up what was not filled."""

    def __init__(self, all_places: Sequence[Places[Q]]) -> None:
        self._all = all_places
        self._kept: Counter[Places[Q]] = Counter()

    def __enter__(self) -> Reservation[Q]:
        return self

    def __exit__(self, *_error: object) -> None:
        for places, count in self._kept.items():
            places.give_up(count)
        self._kept.clear()

    def take(self, queue: str) -> UUID | None:
        """The worker to give the next task of *queue* to."""
        for places in self._all:
            if queue in places.queues and (worker_id := places.reserve()) is not None:
                self._kept[places] += 1
                return worker_id
        return None

    def fill(self, tasks: Iterable[Q]) -> None:
        """Hand over what was taken; every other place is free again."""
        taken = list(tasks)
        kept, self._kept = self._kept, Counter()
        for places, count in kept.items():
            places.fill([task for task in taken if task.queue in places.queues], count)
