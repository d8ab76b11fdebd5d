"""User code runs in threads of its own: it may block, raise or hang, and the engine goes on."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable
from typing import TypeVar

import structlog

log = structlog.stdlib.get_logger()

T = TypeVar("T")


async def call(what: str, function: Callable[[], T], seconds: float) -> T:
    """Run *function* in a daemon thread; an awaitable it returns is awaited in that thread.

    Raises what it raises, and TimeoutError after *seconds*. A thread cannot be killed: one that
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

    def body() -> None:
        value: T | None = None
        error: BaseException | None = None
        try:
            value = finished(function())
        except BaseException as raised:  # noqa: BLE001  # SystemExit in a flow is its own failure
            error = raised if isinstance(raised, Exception) else RuntimeError(repr(raised))
        try:
            loop.call_soon_threadsafe(settle, value, error)
        except RuntimeError:
            # The loop is gone: the process is stopping, and the run will be taken up again.
            log.debug("user_code.orphaned", what=what)

    threading.Thread(target=body, name=what, daemon=True).start()
    try:
        async with asyncio.timeout(seconds):
            return await answer
    except TimeoutError:
        log.warning("user_code.hangs", what=what, seconds=seconds)
        raise


def finished(value: T) -> T:
    """Wait for *value* if it is awaitable, on a loop of this thread's own."""
    if inspect.isawaitable(value):

        async def wait() -> T:
            return await value

        return asyncio.run(wait())
    return value
