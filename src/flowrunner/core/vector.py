"""A persistent vector: changing k of n values copies k small chunks, never all n."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, TypeVar, cast

T = TypeVar("T")

_WIDTH = 64


class Vector(Generic[T]):
    """Immutable; `updated` shares every chunk it does not change with the vector it came from."""

    __slots__ = ("_chunks", "_size")

    def __init__(self, values: Iterable[T] = ()) -> None:
        flat = tuple(values)
        self._size = len(flat)
        self._chunks = tuple(flat[at : at + _WIDTH] for at in range(0, len(flat), _WIDTH))

    def updated(self, changes: Mapping[int, T]) -> Vector[T]:
        """Return a vector with *changes* applied. Raises IndexError outside the bounds."""
        if not changes:
            return self
        fresh: dict[int, list[T]] = {}
        for index, value in changes.items():
            if not 0 <= index < self._size:
                raise IndexError(index)
            chunk, offset = divmod(index, _WIDTH)
            if chunk not in fresh:
                fresh[chunk] = list(self._chunks[chunk])
            fresh[chunk][offset] = value
        chunks = list(self._chunks)
        for chunk, values in fresh.items():
            chunks[chunk] = tuple(values)
        copy: Vector[T] = Vector()
        copy._chunks = tuple(chunks)
        copy._size = self._size
        return copy

    def extended(self, values: Iterable[T]) -> Vector[T]:
        """Return a vector with *values* at the end; whole chunks are shared."""
        more = tuple(values)
        if not more:
            return self
        full, rest = divmod(self._size, _WIDTH)
        tail = (*self._chunks[full], *more) if rest else more
        chunks = (tail[at : at + _WIDTH] for at in range(0, len(tail), _WIDTH))
        copy: Vector[T] = Vector()
        copy._chunks = (*self._chunks[:full], *chunks)
        copy._size = self._size + len(more)
        return copy

    def __getitem__(self, index: int) -> T:
        if not 0 <= index < self._size:
            raise IndexError(index)
        return self._chunks[index // _WIDTH][index % _WIDTH]

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[T]:
        for chunk in self._chunks:
            yield from chunk

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Vector):
            return NotImplemented
        return list(self) == list(cast("Vector[object]", other))

    def __hash__(self) -> int:
        return hash(self._chunks)

    def __repr__(self) -> str:
        return f"Vector({list(self)!r})"
