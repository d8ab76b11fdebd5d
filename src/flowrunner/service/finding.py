"""Make run ids, and find runs by what people type."""

from __future__ import annotations

import os
import re
import time
from uuid import UUID

from flowrunner.core.errors import ConflictError, NotFoundError
from flowrunner.core.model import RunId
from flowrunner.db.lookup import RunHead, find_heads, find_run_head, list_recent_ids
from flowrunner.db.pool import Pool

_PART = re.compile(r"[0-9a-f-]{4,36}\Z")
_AGO = re.compile(r"@-(\d{1,4})\Z")


class AmbiguousIdError(ConflictError):
    code = "ambiguous-id"


def uuid7() -> UUID:
    """A time-ordered id (RFC 9562): 48 bits of milliseconds, then randomness."""
    raw = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10))
    raw &= ~(0xF << 76) & ~(0x3 << 62)
    return UUID(int=raw | 0x7 << 76 | 0x2 << 62)


class RunFinder:
    """Reads only."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def head(self, run_id: RunId) -> RunHead:
        """Raises NotFoundError for an unknown run."""
        async with self._pool.connection() as conn:
            head = await find_run_head(conn, run_id)
        if head is None:
            raise NotFoundError("there is no such run", run_id=str(run_id))
        return head

    async def resolve(self, text: str) -> RunId:
        """Read a full id, its beginning or end (4 characters or more), `@last` or `@-1`."""
        text = text.strip().lower()
        ago = _AGO.match(text)
        if text == "@last" or ago:
            return await self._recent(int(ago[1]) if ago else 0)
        try:
            return (await self.head(RunId(UUID(text)))).run_id
        except ValueError:
            pass
        if not _PART.match(text):
            hint = "give 4 or more characters of a run's id, @last or @-1"
            raise NotFoundError(f"'{text}' names no run", hint=hint)
        async with self._pool.connection() as conn:
            heads = await find_heads(conn, text)
        if len(heads) == 1:
            return heads[0].run_id
        if not heads:
            raise NotFoundError(f"no run's id begins or ends with '{text}'")
        candidates = [str(head.run_id) for head in heads]
        raise AmbiguousIdError(f"'{text}' names {len(heads)} runs", candidates=candidates)

    async def _recent(self, back: int) -> RunId:
        async with self._pool.connection() as conn:
            ids = await list_recent_ids(conn, back + 1)
        if len(ids) <= back:
            raise NotFoundError(f"there are only {len(ids)} runs")
        return ids[back]
