"""Spans of time as authors write them: 90, "90s", "30m", "1h30m"."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

LONGEST_SECONDS = 7 * 24 * 3600.0
SPAN_HINT = "seconds, or text like '90s', '30m' or '1h30m', at most 7d"
WAIT_HINT = (
    "give run= a span of at most 7d, a datetime with its zone, or a function that returns one"
)

_SPAN = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?")
_UNITS = (86_400, 3600, 60, 1)


def seconds_of(value: object) -> float | None:
    """Return seconds, or None for what is no positive span of at most seven days."""
    seconds = 0.0
    if isinstance(value, str):
        found = _SPAN.fullmatch(value)
        parts = found.groups() if found else ()
        seconds = sum(float(p) * unit for p, unit in zip(parts, _UNITS, strict=False) if p)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    return seconds if 0 < seconds <= LONGEST_SECONDS else None


def wake_time(value: object, now: datetime) -> datetime | None:
    """Return when a wait ends: *now* and a span, or the time itself; None for what is neither.

    A time without a zone means another hour on every machine, so it is none.
    """
    if isinstance(value, datetime):
        return None if value.tzinfo is None else value
    if isinstance(value, timedelta):
        value = value.total_seconds()
    seconds = seconds_of(value)
    return None if seconds is None else now + timedelta(seconds=seconds)


def wrong_wait(value: object) -> bool:
    """Tell whether a wait cannot be written so."""
    return wake_time(value, datetime.now(tz=UTC)) is None
