"""No log lines while a schedule is played, but for those that say that something is broken."""

from __future__ import annotations

import logging
from collections.abc import Generator, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog

EXPECTED = frozenset({"result.given_up"})


@contextmanager
def quiet() -> Generator[list[str]]:
    """Yield the list that errors are told to; whatever was configured before is so again."""
    errors: list[str] = []

    def told(_logger: Any, _name: str, said: MutableMapping[str, Any]) -> str:
        event = str(said.get("event"))
        if event not in EXPECTED:
            errors.append(f"log: {said}")
        raise structlog.DropEvent

    before = structlog.get_config()
    wrapper = structlog.make_filtering_bound_logger(logging.ERROR)
    structlog.configure(
        processors=[structlog.processors.format_exc_info, told], wrapper_class=wrapper
    )
    try:
        yield errors
    finally:
        structlog.configure(**before)
