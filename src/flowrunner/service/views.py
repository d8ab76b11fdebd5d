"""Read models for doors."""

from __future__ import annotations

from flowrunner.db.pool import Pool


class Views:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool
