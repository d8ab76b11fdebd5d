"""Files in parts that one agent can read whole, each named by what stands first in it."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

ALL = "all"
BATCH_FILES, BATCH_BYTES = 120, 600_000
LONGEST_KEY = 100


class Batch(BaseModel):
    """*key* names it in the run, and stays the same while its first file does."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    files: tuple[str, ...]


def batch(root: Path, files: Sequence[str], *, whole: bool = False) -> Iterator[Batch]:
    """Split *files*, neighbours together; one batch is called "all"."""
    parts = [tuple(files)] if whole else list(_split(root, files))
    for part in parts if files else ():
        yield Batch(key=ALL if len(parts) == 1 else _key(part[0]), files=part)


def _split(root: Path, files: Sequence[str]) -> Iterator[tuple[str, ...]]:
    part: list[str] = []
    size = 0
    for path in sorted(files, key=lambda file: (posixpath.dirname(file), file)):
        weight = _size(root / path)
        if part and (len(part) == BATCH_FILES or size + weight > BATCH_BYTES):
            yield tuple(part)
            part, size = [], 0
        part.append(path)
        size += weight
    if part:
        yield tuple(part)


def _key(path: str) -> str:
    if len(path) <= LONGEST_KEY and path.isprintable():
        return path
    return hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _size(place: Path) -> int:
    try:
        return place.lstat().st_size
    except OSError:
        return 0
