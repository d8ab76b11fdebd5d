"""Who should look where: this process at once, other processes through the notifier."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from uuid import UUID

from flowrunner.core.model import RunId
from flowrunner.db.apply import NotifyMode
from flowrunner.db.notifier import Notifier

TASKS = "tasks_new"
LEASES = "leases_lost"
EVENTS = "flow_events"
RESULTS = "results_new"

OnTasks = Callable[[frozenset[str]], None]
OnLeases = Callable[[], None]
OnEvents = Callable[[frozenset[RunId]], None]
OnTimers = Callable[[], None]


class Signals:
    """Hints, never facts: whoever misses one finds the same in the tables a little later."""

    def __init__(self, notifier: Notifier | None, mode: NotifyMode) -> None:
        self._notifier = notifier
        self._mode: NotifyMode = mode
        self.on_tasks: list[OnTasks] = []
        self.on_leases: list[OnLeases] = []
        self.on_events: list[OnEvents] = []
        self.on_timers: list[OnTimers] = []

    @property
    def mode(self) -> NotifyMode:
        return self._mode

    def tasks(self, queues: Iterable[str]) -> None:
        """New tasks are offered on *queues*."""
        names = frozenset(queues)
        if not names:
            return
        self.heard_tasks(names)
        if self._mode == "coalesced":
            self._hint(TASKS, names)

    def leases(self) -> None:
        """Leases were withdrawn: their holders should renew now and learn of it (P12)."""
        self.heard_leases()
        self._hint(LEASES, ("",))

    def events(self, runs: Iterable[RunId]) -> None:
        """*runs* have new events."""
        moved = frozenset(runs)
        self.heard_events(moved)
        self._hint(EVENTS, (str(run) for run in moved), can_wait=True)

    def timers(self) -> None:
        """Timers were set. Only here: this replica fires them, others if it dies."""
        for listener in self.on_timers:
            listener()

    def heard_tasks(self, queues: frozenset[str]) -> None:
        """Somebody offered tasks on *queues*; none named means that any may have some."""
        for listener in self.on_tasks:
            listener(queues)

    def heard_leases(self) -> None:
        for listener in self.on_leases:
            listener()

    def heard_events(self, runs: frozenset[RunId]) -> None:
        for listener in self.on_events:
            listener(runs)

    def _hint(self, channel: str, names: Iterable[str], *, can_wait: bool = False) -> None:
        if self._notifier is not None and self._mode != "off":
            for name in names:
                self._notifier.hint(channel, name, can_wait=can_wait)


def run_ids(payload: str) -> frozenset[RunId]:
    """Read a hint's run ids; anything odd in it means "look at everything"."""
    try:
        return frozenset(RunId(UUID(name)) for name in payload.split(",") if name)
    except ValueError:
        return frozenset()
