"""What a replica hears from the database, and what it does about it."""

from __future__ import annotations

import asyncio

from flowrunner.core.model import RunId
from flowrunner.db.listener import Ears, listen
from flowrunner.db.notifier import Notifier
from flowrunner.engine import signals as channels
from flowrunner.engine.rounds import Rounds
from flowrunner.engine.signals import Signals


class Listener:
    """The engine's ears: what other processes hint at, and a look at everything after a gap."""

    name = "listener"

    def __init__(
        self,
        url: str,
        signals: Signals,
        rounds: tuple[Rounds, ...],
        own: Notifier | None,
    ) -> None:
        """*own*: whose hints this process has heard before it sent them."""
        self._url = url
        self._signals = signals
        self._rounds = rounds
        self._own = own

    async def run(self, ready: asyncio.Event) -> None:
        names = (channels.TASKS, channels.LEASES, channels.EVENTS, channels.RESULTS)
        ears = Ears(names, self._heard, self._gap, is_ours=self._is_ours)
        await listen(self._url, ears, ready)

    def _is_ours(self, pid: int) -> bool:
        return self._own is not None and self._own.pid == pid

    def _heard(self, channel: str, payload: str) -> None:
        match channel:
            case channels.TASKS:
                self._signals.heard_tasks(frozenset(payload.split(",") if payload else ()))
            case channels.LEASES:
                self._signals.heard_leases()
            case channels.EVENTS:
                self._signals.heard_events(channels.run_ids(payload))
            case _:
                self._rounds[-1].wake()

    def _gap(self) -> None:
        self._signals.heard_tasks(frozenset())
        self._signals.heard_leases()
        self._signals.heard_events(frozenset[RunId]())
        for look in self._rounds:
            look.wake()
