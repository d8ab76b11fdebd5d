"""Payload bodies that passed through this process: what a run just said is not read again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from flowrunner.core.errors import InvariantError
from flowrunner.core.model import Ref

ReadBodies: TypeAlias = Callable[[Sequence[Ref]], Awaitable[Mapping[Ref, bytes]]]


class Bodies:
    """The most recently used bodies, up to *most_bytes*; everything else is one read away."""

    def __init__(self, read: ReadBodies, most_bytes: int = 64_000_000) -> None:
        self._read = read
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

    def held(self, ref: Ref) -> bytes:
        """What is at hand without reading. Raises KeyError."""
        return self._held[ref]

    async def get(self, ref: Ref) -> bytes:
        """Raises InvariantError when the body does not exist: a reference is never dangling."""
        return (await self.get_all((ref,)))[ref]

    async def get_all(self, refs: Iterable[Ref]) -> dict[Ref, bytes]:
        wanted = set(refs)
        found = {ref: self._held[ref] for ref in wanted if ref in self._held}
        missing = sorted(wanted - found.keys())
        if missing:
            read = await self._read(missing)
            lost = [ref for ref in missing if ref not in read]
            if lost:
                raise InvariantError("a payload is missing", refs=lost)
            self.put(read)
            found.update(read)
        return found
