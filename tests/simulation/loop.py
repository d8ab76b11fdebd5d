"""Processes on one thread and a clock that is not a clock: a seed decides who goes next.

Every process has an event loop of its own, first come first served as asyncio's is. Between
processes only the seed decides. Nothing waits: when nobody has anything to do, time jumps to the
next thing that is due.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from contextvars import Context, copy_context
from random import Random
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")

Thunk: TypeAlias = Callable[[], object]
_Entry: TypeAlias = "tuple[float, int, Process | None, Handle]"


class Handle:
    """What will be called; as little of `asyncio.Handle` as futures, tasks and timeouts need."""

    __slots__ = ("_when", "args", "callback", "context")

    def __init__(
        self, callback: Callable[..., object], args: tuple[Any, ...], context: Context | None
    ) -> None:
        self.callback: Callable[..., object] | None = callback
        self.args = args
        self.context = context
        self._when = 0.0

    def cancel(self) -> None:
        self.callback = None
        self.args = ()

    def cancelled(self) -> bool:
        return self.callback is None

    def when(self) -> float:
        return self._when

    def due(self, when: float) -> Handle:
        self._when = when
        return self


class Universe:
    """All processes, the time, and the one source of chance that is about order and delay."""

    def __init__(self, seed: int) -> None:
        self.now = 0.0
        self.chance = Random(seed)  # noqa: S311  # to be repeated, not to be secret
        self.moments = 0
        self._order = 0
        self._due: list[_Entry] = []
        self._ready: list[Process] = []
        self.processes: list[Process] = []

    def process(self, name: str) -> Process:
        made = Process(self, name)
        self.processes.append(made)
        return made

    def later(self, seconds: float, thunk: Thunk) -> None:
        """Let something happen that is no process's doing: the server's, the network's."""
        self.push(self.now + seconds, None, Handle(thunk, (), None))

    def push(self, when: float, process: Process | None, handle: Handle) -> None:
        self._order += 1
        heapq.heappush(self._due, (when, self._order, process, handle))

    def is_up(self, process: Process) -> None:
        """Somebody has something to do now."""
        self._ready.append(process)

    def run(self, is_over: Callable[[], bool], until: float) -> bool:
        """Let everything happen until *is_over* or the clock says *until*; return which it was."""
        while True:
            while self._ready:
                self._turn()
            if is_over():
                return True
            if not self._due or not self._advance(until):
                return False

    def _turn(self) -> None:
        ready = self._ready
        at = int(self.chance.random() * len(ready)) if len(ready) > 1 else 0
        ready[at], ready[-1] = ready[-1], ready[at]
        ready.pop().turn()

    def _advance(self, until: float) -> bool:
        when, order, process, handle = self._due[0]
        if when > until:
            self.now = until
            return False
        heapq.heappop(self._due)
        if handle.callback is None or (process is not None and process.is_dead):
            return True
        if process is not None and process.frozen_until > when:
            heapq.heappush(self._due, (process.frozen_until, order, process, handle))
            return True
        self.now = max(self.now, when)
        self.moments += 1
        if process is None:
            handle.callback(*handle.args)
        else:
            process.enqueue(handle)
        return True

    def end(self) -> None:
        for process in self.processes:
            process.kill()


class Process(asyncio.AbstractEventLoop):
    """One process: its loop, and how it dies. What it left behind is not tidied up by itself."""

    def __init__(self, universe: Universe, name: str) -> None:
        self.universe = universe
        self.name = name
        self.is_dead = False
        self.frozen_until = 0.0
        self.turns = 0
        self.fate: tuple[int, Thunk] | None = None
        """At which turn something befalls it, and what: between any two callbacks, so at any
        await."""
        self.complaints: list[str] = []
        self._ready: deque[Handle] = deque()
        self._tasks: dict[int, asyncio.Task[Any]] = {}
        self._made = 0
        self._mourners: list[Thunk] = []

    def turn(self) -> None:
        """Do everything that is ready now, in order."""
        if self.is_dead:
            return
        if self.frozen_until > self.universe.now:
            wake = Handle(self._thaw, (), None)
            self.universe.push(self.frozen_until, None, wake)
            return
        ready = self._ready
        asyncio._set_running_loop(self)
        try:
            while ready and not self.is_dead:
                if self.fate is not None and self.turns >= self.fate[0] and self._befall():
                    return
                handle = ready.popleft()
                self.turns += 1
                if handle.callback is not None:
                    context = handle.context
                    if context is None:
                        handle.callback(*handle.args)
                    else:
                        context.run(handle.callback, *handle.args)
        finally:
            asyncio._set_running_loop(None)

    def _befall(self) -> bool:
        assert self.fate is not None
        _turn, happen = self.fate
        self.fate = None
        happen()
        if self.frozen_until > self.universe.now and not self.is_dead:
            self.universe.push(self.frozen_until, None, Handle(self._thaw, (), None))
            return True
        return self.is_dead

    def _thaw(self) -> None:
        if self._ready and not self.is_dead:
            self.universe.is_up(self)

    def enqueue(self, handle: Handle) -> None:
        if self.is_dead:
            return
        self._ready.append(handle)
        if len(self._ready) == 1:
            self.universe.is_up(self)

    def enqueue_call(self, thunk: Thunk) -> None:
        """Something from outside: a message, an answer."""
        self.enqueue(Handle(thunk, (), None))

    def on_death(self, thunk: Thunk) -> None:
        """Whoever waits for this process learns that it is gone."""
        self._mourners.append(thunk)

    def kill(self) -> None:
        """SIGKILL: nothing of it runs any more, not even what is in `finally`."""
        if self.is_dead:
            return
        self.is_dead = True
        self._ready.clear()
        # What coroutines want to do on their way out, they do to a loop that is deaf.
        before = asyncio._get_running_loop()
        asyncio._set_running_loop(self)
        try:
            for task in self._tasks.values():
                _let_fall(task)
        finally:
            asyncio._set_running_loop(before)
        self._tasks.clear()
        for mourner in self._mourners:
            mourner()
        self._mourners.clear()

    # What asyncio asks of a loop.

    def time(self) -> float:
        return self.universe.now

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return not self.is_dead

    def is_closed(self) -> bool:
        return self.is_dead

    def call_soon(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Handle:
        handle = Handle(callback, args, context)
        self.enqueue(handle)
        return handle

    call_soon_threadsafe = call_soon  # pyright: ignore[reportAssignmentType]

    def call_later(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> Handle:
        return self.call_at(self.universe.now + delay, callback, *args, context=context)

    def call_at(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> Handle:
        handle = Handle(callback, args, context or copy_context()).due(when)
        self.universe.push(when, self, handle)
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        coro: Coroutine[Any, Any, T] | Generator[Any, None, T],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        self._made += 1
        made = self._made
        task = asyncio.Task(coro, loop=self, name=name or "task", context=context)
        if self.is_dead:
            _let_fall(task)
            return task
        self._tasks[made] = task
        task.add_done_callback(lambda _: self._tasks.pop(made, None))
        return task

    def _complain(self, context: dict[str, Any]) -> None:
        if not self.is_dead:
            error = context.get("exception")
            self.complaints.append(f"{self.name}: {context['message']}: {error!r}")

    call_exception_handler = _complain


def _let_fall(task: asyncio.Task[Any]) -> None:
    """Close it now and not by the collector, at a moment that no seed decides."""
    task._log_destroy_pending = False  # pyright: ignore[reportAttributeAccessIssue]
    with suppress(BaseException):
        task.get_coro().close()  # pyright: ignore[reportOptionalMemberAccess, reportAttributeAccessIssue]


async def until(moment: float) -> None:
    """Wait for *moment* of the universe's clock; nobody's time passes by it."""
    await asyncio.sleep(max(0.0, moment - asyncio.get_running_loop().time()))


async def passed(seconds: float) -> None:
    """Let *seconds* pass on the universe's clock."""
    await until(asyncio.get_running_loop().time() + seconds)
