"""Runs that keep a service busy while something is done to it."""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from chaos.programs import Server
from chaos.waiting import until
from flowrunner.client import ClientError
from flowrunner.wire.runs import LaunchBody

FINISH_SECONDS = 60.0


@dataclass(slots=True)
class Load:
    """Launches one run after the other, each with its key until it is answered."""

    servers: Sequence[Server]
    body: LaunchBody
    most: int
    runs: dict[str, str] = field(default_factory=dict[str, str])
    """The run that each key was answered with."""
    ended: dict[str, str] = field(default_factory=dict[str, str])
    """How each run ended, as its launcher heard it."""
    errors: list[Exception] = field(default_factory=list[Exception])
    _stop: threading.Event = field(default_factory=threading.Event)

    def work(self) -> None:
        """One run at a time, until `stop` or until there were enough."""
        try:
            for number in range(self.most):
                if self._stop.is_set():
                    return
                key = f"{threading.get_ident()}-{number}"
                self.runs[key] = self.launched(key)
                self.ended[key] = self.followed(self.runs[key], number)
        except Exception as error:  # noqa: BLE001  # told in the thread that waits
            self.errors.append(error)

    def launched(self, key: str) -> str:
        """Ask one server after the other until one answers: the key makes it one run."""
        answers: list[str] = []

        def ask() -> bool:
            for server in self.servers:
                try:
                    with server.client(patience=0.5) as client:
                        answers.append(str(client.launch("watched", self.body, key=key).id))
                except ClientError:
                    continue
                return True
            return False

        until(ask, FINISH_SECONDS)
        return answers[0]

    def followed(self, run: str, turn: int) -> str:
        """Follow it on one server; on another one when that is away for too long."""
        heard: list[str] = []

        def follow() -> bool:
            server = self.servers[(turn + len(heard)) % len(self.servers)]
            try:
                with server.client(patience=3.0) as client:
                    heard.append([event.type for event in client.events(run)][-1])
            except (ClientError, IndexError):
                return False
            return True

        until(follow, FINISH_SECONDS)
        return heard[-1]

    def stop(self) -> None:
        """Launch nothing more."""
        self._stop.set()


@contextmanager
def under_load(
    servers: Sequence[Server], body: LaunchBody, *, most: int = 1000, threads: int = 2
) -> Generator[Load]:
    """Launch runs while the block runs, then let the last ones end."""
    load = Load(servers, body, most)
    workers = [threading.Thread(target=load.work, name=f"load-{n}") for n in range(threads)]
    for each in workers:
        each.start()
    try:
        yield load
    finally:
        load.stop()
        for each in workers:
            each.join()
    assert load.errors == []
