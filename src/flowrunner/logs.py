"""How this program logs: for people on a terminal, as JSON lines elsewhere; always to stderr."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal, TextIO, TypeAlias, cast

import structlog
from structlog.typing import Processor

Style: TypeAlias = Literal["console", "json"]

MOST_CHARACTERS = 8_000
# Control characters steer terminals, bidi marks reorder what is read: neither belongs in a line.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_BODIES = frozenset(
    {"prompt", "input", "output", "answer", "text", "body", "token", "authorization"}
)
_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}

_Event: TypeAlias = MutableMapping[str, Any]


def configure(
    level: str = "info", *, stream: TextIO | None = None, style: Style | None = None
) -> None:
    """Set logging up for the process; the last call counts. *style* follows from the stream."""
    out = stream if stream is not None else sys.stderr
    chosen = style or ("console" if out.isatty() else "json")
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        *([] if chosen == "console" else [structlog.processors.format_exc_info]),
        without_bodies,
        safe,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(chosen)],
    )
    target = logging.StreamHandler(out)
    target.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [target]
    root.setLevel(_LEVELS[level])
    # Their chatter is not our story; their warnings are.
    for name in (
        "uvicorn",
        "uvicorn.error",
        "psycopg.pool",
        "alembic",
        "httpx2",
        "httpcore2",
        "asyncio",
    ):
        logging.getLogger(name).setLevel(max(_LEVELS[level], logging.WARNING))


def _renderer(style: Style) -> Processor:
    if style == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.dev.ConsoleRenderer(colors=False)


def without_bodies(_logger: Any, _name: str, event: _Event) -> _Event:
    """Never a prompt, an output or a secret: only how long it was."""
    for key in _BODIES & event.keys():
        event[key] = f"<{len(str(event[key]))} characters>"
    return event


def safe(_logger: Any, _name: str, event: _Event) -> _Event:
    """Make every text harmless to terminals and short enough to read."""
    return {plain(key): _safe(value) for key, value in event.items()}


def _safe(value: Any) -> Any:
    match value:
        case str():
            return plain(value)
        case Mapping():
            return {plain(str(k)): _safe(v) for k, v in cast("Mapping[Any, Any]", value).items()}
        case list() | tuple():
            return [_safe(each) for each in cast("list[Any]", value)]
        case _:
            return value


def plain(text: str) -> str:
    """Replace what steers a terminal by U+FFFD, and cut what nobody reads, with a mark."""
    if len(text) > MOST_CHARACTERS:
        text = f"{text[:MOST_CHARACTERS]}… [cut, {len(text) - MOST_CHARACTERS} more characters]"
    return _UNSAFE.sub("\ufffd", text)
