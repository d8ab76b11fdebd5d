"""Times as people write them: `30m`, `24h`, `2026-11-20T08:00`."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from flowrunner.cli.exits import CommandError, Exit

_SPAN = re.compile(r"(\d{1,6})([smhd])\Z")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_since(text: str, now: datetime) -> datetime:
    """Read `24h` or an ISO time; one without a zone is local. Raises CommandError."""
    try:
        ago = _span(text)
        return now - ago if ago is not None else datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        hint = "write 30m, 24h, 7d, or 2026-11-20T08:00"
        told = f"{text!r} is no time"
        raise CommandError(told, Exit.USAGE, code="usage", hint=hint) from None


def parse_span(text: str) -> float:
    """Read `90s` or `30m` as seconds. Raises CommandError."""
    span = _span(text)
    if span is None:
        told, hint = f"{text!r} is no duration", "write 90s, 30m, 2h, 1d"
        raise CommandError(told, Exit.USAGE, code="usage", hint=hint)
    return span.total_seconds()


def _span(text: str) -> timedelta | None:
    found = _SPAN.match(text)
    return timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else None
