"""A small disc of its own for a server, and what fills it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from faults.clusters.hosts import BrokenToolError, run_quietly

_BALLAST = "ballast"
_CHUNK = b"\0" * (1 << 20)


@dataclass(frozen=True, slots=True)
class Disc:
    """A file system in memory with a size."""

    place: Path

    @property
    def free_bytes(self) -> int:
        return shutil.disk_usage(self.place).free

    def fill(self, *, leave: int = 0) -> None:
        """Take all room but *leave* bytes."""
        with (self.place / _BALLAST).open("ab", buffering=0) as ballast:
            while (room := self.free_bytes - leave) > 0:
                try:
                    ballast.write(_CHUNK[:room])
                except OSError:
                    return

    def make_room(self) -> None:
        (self.place / _BALLAST).unlink(missing_ok=True)


@contextmanager
def a_disc(place: Path, megabytes: int) -> Generator[Disc]:
    """Mount it at *place*; nothing of it is left after the block."""
    place.mkdir(parents=True, exist_ok=True)
    run_quietly("mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "tmpfs", place)
    try:
        yield Disc(place)
    finally:
        # Lazily: who is just ending may still have a file open.
        run_quietly("umount", "-l", place)


@cache
def why_no_discs() -> str | None:
    """Why none can be mounted here; None when one can."""
    if os.geteuid() != 0:
        return "mounting needs root"
    with TemporaryDirectory() as place:
        try:
            with a_disc(Path(place), 1):
                return None
        except BrokenToolError as error:
            return str(error)
