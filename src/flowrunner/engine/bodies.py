"""Payload bodies that passed through this process: what a run just said is not read again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping

from flowrunner.core.errors import InvariantError
from flowrunner.core.model import Ref
from flowrunner.db.payloads import list_payloads
from flowrunner.db.pool import Pool


class Bodies:
    """The most recently used bodies, up to *most_bytes*; everything else is one read away."""

    def __init__(self, pool: Pool, most_bytes: int = 64_000_000) -> None:
        self._pool = pool
        self._most = most_bytes
        self._held: OrderedDict[Ref, bytes] = OrderedDict()
        self._size = 0

    def put(self, bodies: Mapping[Ref, bytes]) -> None:
        for ref, body in bodies.items():
            if ref in self._held:
                self._held.move_to_end(ref)
                continue
            self._held[ref] = body
            self._size += len(body)
        while self._size > self._most and len(self._held) > 1:
            _ref, body = self._held.popitem(last=False)
            self._size -= len(body)

    async def get(self, ref: Ref) -> bytes:
        """Raises InvariantError when the body does not exist: a reference is never dangling."""
        return (await self.get_all((ref,)))[ref]

    async def get_all(self, refs: Iterable[Ref]) -> dict[Ref, bytes]:
        wanted = set(refs)
        found = {ref: self._held[ref] for ref in wanted if ref in self._held}
        missing = sorted(wanted - found.keys())
        if missing:
            async with self._pool.connection() as conn:
                read = await list_payloads(conn, missing)
            lost = [ref for ref in missing if ref not in read]
            if lost:
                raise InvariantError("a payload is missing", refs=lost)
            self.put(read)
            found.update(read)
        return found
