"""Run a rehearsal to its end, also from a test that is itself async."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")


def finished(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Return what *coroutine* returns; where a loop runs already, another thread has its own."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    with ThreadPoolExecutor(1, "rehearsal") as aside:
        return aside.submit(asyncio.run, coroutine).result()
