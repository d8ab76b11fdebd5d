"""Calls between processes, and hints: both may be lost, late, doubled, or outlive who sent them."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

from flowrunner.core.errors import FlowRunnerError, UnavailableError
from flowrunner.db.pool import AWAY
from simulation.loop import Process
from simulation.world import World

T = TypeVar("T")


class Server(Protocol):
    """Whoever is called, and hears hints."""

    @property
    def process(self) -> Process: ...
    @property
    def is_serving(self) -> bool: ...
    def heard(self, channel: str, payload: str) -> None: ...


async def call(
    world: World, caller: Process, server: Server, served: Callable[[], Awaitable[T]]
) -> T:
    """Let *served* happen in the server's process. Raises UnavailableError; then it may have."""
    answer: asyncio.Future[T] = caller.create_future()
    fault = world.fault("call")
    kind, seconds = ("", 0.0) if fault is None else (fault.kind, fault.seconds)

    def lost() -> None:
        if not answer.done():
            answer.set_exception(UnavailableError("no answer"))

    def arrive(*, is_heard: bool = True) -> None:
        if server.process.is_dead or not server.is_serving:
            lost()
            return
        server.process.enqueue_call(
            lambda: _serve(server.process, served, settle if is_heard else None)
        )

    def settle(value: T | None, error: BaseException | None) -> None:
        world.universe.later(world.latency(), lambda: _give(answer, value, error))

    wait = world.latency() + (seconds if kind == "tardy_call" else 0.0)
    server.process.on_death(lost)
    if kind != "unasked":
        world.universe.later(wait, lambda: arrive(is_heard=kind != "unheard"))
    if kind in {"unasked", "unheard"}:
        world.universe.later(wait + 0.3, lost)
    if kind == "twice":
        world.universe.later(wait + seconds, arrive)
    return await answer


def _give(answer: asyncio.Future[Any], value: Any, error: BaseException | None) -> None:
    if answer.done():
        return
    if error is None:
        answer.set_result(value)
    else:
        answer.set_exception(error)


def _serve(
    process: Process,
    served: Callable[[], Awaitable[T]],
    settle: Callable[[T | None, BaseException | None], None] | None,
) -> None:
    async def serve() -> None:
        try:
            value = await served()
        except (FlowRunnerError, *AWAY) as error:
            told = error if isinstance(error, FlowRunnerError) else UnavailableError(str(error))
            if settle is not None:
                settle(None, told)
        else:
            if settle is not None:
                settle(value, None)

    process.create_task(serve())


class Postman:
    """Where hints go out, instead of `Notifier`: coalesced a little, to everybody who listens."""

    def __init__(
        self, world: World, sender: Process | None, listeners: Callable[[], Sequence[Server]]
    ) -> None:
        self._world = world
        self._sender = sender
        self._listeners = listeners
        self._pending: defaultdict[str, set[str]] = defaultdict(set)

    def hint(self, channel: str, name: str, *, can_wait: bool = False) -> None:
        if not self._pending:
            self._world.universe.later(0.05 if can_wait else 0.005, self._send)
        self._pending[channel].add(name)

    def _send(self) -> None:
        world = self._world
        pending, self._pending = self._pending, defaultdict(set)
        is_gone = self._sender is not None and self._sender.is_dead
        if is_gone or world.is_away or world.universe.now < world.silent_until:
            return
        for channel, names in pending.items():
            payload = ",".join(sorted(names))
            for server in self._listeners():
                self._tell(server, channel, payload)

    def _tell(self, server: Server, channel: str, payload: str) -> None:
        world = self._world
        fault = world.fault("hint")
        kind = "" if fault is None else fault.kind
        if kind == "deaf":
            return
        wait = world.latency() + (fault.seconds if fault is not None and kind == "tardy" else 0)
        world.universe.later(wait, lambda: deliver(server, channel, payload))
        if kind == "echo" and fault is not None:
            world.universe.later(fault.seconds, lambda: deliver(server, channel, payload))


def deliver(server: Server, channel: str, payload: str) -> None:
    """Bring a hint to whoever still listens."""
    if not server.process.is_dead and server.is_serving:
        server.process.enqueue_call(lambda: server.heard(channel, payload))
