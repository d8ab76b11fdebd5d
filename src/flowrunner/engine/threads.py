"""User code runs in threads of its own: it may block, raise or hang, and the engine goes on."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeAlias, TypeVar

import structlog

log = structlog.stdlib.get_logger()

T = TypeVar("T")


class HangsError(Exception):
    """User code did not end in its time; a TimeoutError of its own is another thing."""


class UnwindError(BaseException):
    """Ours, to end user code that must not go on, whatever it catches."""


Work: TypeAlias = Callable[[], None]

_MOST_IDLE = 32


class _Hand(threading.Thread):
    """A daemon thread that is used again; one that hangs is never seen again and blocks nobody."""

    def __init__(self, idle: deque[_Hand]) -> None:
        super().__init__(name="user-code", daemon=True)
        self._idle = idle
        self._work: SimpleQueue[Work] = SimpleQueue()

    def give(self, work: Work) -> None:
        self._work.put(work)

    def run(self) -> None:
        while True:
            self._work.get()()
            if len(self._idle) >= _MOST_IDLE:
                return
            self._idle.append(self)


# The only state of this module: threads that wait for work belong to the process.
_idle: deque[_Hand] = deque()


def _hand() -> _Hand:
    try:
        return _idle.pop()
    except IndexError:
        hand = _Hand(_idle)
        hand.start()
        return hand


async def call(what: str, function: Callable[[], T], seconds: float) -> T:
    """Run *function* in a daemon thread; an awaitable it returns is awaited in that thread.

    Raises what it raises, and HangsError after *seconds*. A thread cannot be killed: one that
    hangs is left behind, cannot keep the process alive, and is logged.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def settle(value: T | None, error: BaseException | None) -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(value)  # pyright: ignore[reportArgumentType]  # T, since no error

    def work() -> None:
        value: T | None = None
        error: BaseException | None = None
        try:
            value = finished(function())
        except BaseException as raised:  # noqa: BLE001  # SystemExit in a flow is its own failure
            is_ours = isinstance(raised, Exception | UnwindError)
            error = raised if is_ours else RuntimeError(repr(raised))
        if isinstance(error, StopIteration):
            # A future refuses StopIteration, and the waiter would wait for ever.
            error = RuntimeError(f"StopIteration: {error}")
        try:
            loop.call_soon_threadsafe(settle, value, error)
        except RuntimeError:
            # The loop is gone: the process is stopping, and the run will be taken up again.
            log.debug("user_code.orphaned", what=what)

    _hand().give(work)
    try:
        async with asyncio.timeout(seconds):
            return await answer
    except TimeoutError as error:
        if not answer.cancelled():
            raise
        log.warning("user_code.hangs", what=what, seconds=seconds)
        raise HangsError(f"{what} did not end within {seconds:g} seconds") from error


def finished(value: T) -> T:
    """Wait for *value* if it is awaitable, on a loop of this thread's own."""
    if inspect.isawaitable(value):

        async def wait() -> T:
            return await value

        return asyncio.run(wait())
    return value
