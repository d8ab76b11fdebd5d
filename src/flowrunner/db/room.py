"""Whether the database had room when somebody last wanted to write."""

from __future__ import annotations

import time

import psycopg

_SECONDS = 15.0


class Room:
    """What one replica knows. Reads go on where there is no room, so that asking shows nothing."""

    def __init__(self) -> None:
        self._full_at: float | None = None

    @property
    def is_full(self) -> bool:
        """Whether the last write failed for want of room; who tries no more knows no more."""
        return self._full_at is not None and time.monotonic() < self._full_at + _SECONDS

    def written(self) -> None:
        """Something was committed."""
        self._full_at = None

    def failed(self, error: Exception) -> str:
        """Note why a write failed; return what may be told to anybody."""
        if isinstance(error, psycopg.errors.DiskFull):
            self._full_at = time.monotonic()
        return told(error)


def told(error: Exception) -> str:
    """What *error* means to who asked for something."""
    if isinstance(error, psycopg.errors.DiskFull):
        return "the database's disk is full"
    return "the database is away"
