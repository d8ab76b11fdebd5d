"""Spans of time as authors write them: 90, "90s", "30m", "1h30m"."""

from __future__ import annotations

import re

LONGEST_SECONDS = 7 * 24 * 3600.0
SPAN_HINT = "seconds, or text like '90s', '30m' or '1h30m', at most 7d"

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
