"""Where a probe tries to write: all file systems of a project, git's folders, and outside."""

from __future__ import annotations

import os
import re
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from flowrunner.evidence.git import run_git

_SEARCHED = 200


def targets_in(project: Path) -> Iterator[tuple[str, str, str]]:
    """A folder, a file and a folder in it: for the root, each mount below it, and git's own.

    What we cannot look into ourselves is left out: an agent of the same user cannot, either.
    """
    root = project.resolve()
    for folder in dict.fromkeys((root, *mounts_below(root), *_git_folders(root))):
        with suppress(OSError), os.scandir(folder) as entries:
            found = [entry for entry, _ in zip(entries, range(_SEARCHED), strict=False)]
            files = [entry for entry in found if entry.is_file(follow_symlinks=False)]
            folders = [entry.path for entry in found if entry.is_dir(follow_symlinks=False)]
            readable = [entry.path for entry in files if _is_readable(entry.stat())]
            file = next(iter((*readable, *(entry.path for entry in files))), "")
            yield str(folder), file, next(iter(folders), "")


def _is_readable(found: os.stat_result) -> bool:
    """Whether we may read it as who we are: behind a gate root has no powers beside that."""
    if found.st_uid == os.geteuid():
        return bool(found.st_mode & stat.S_IRUSR)
    is_ours = found.st_gid in {os.getegid(), *os.getgroups()}
    return bool(found.st_mode & (stat.S_IRGRP if is_ours else stat.S_IROTH))


def mounts_below(root: Path) -> Iterator[Path]:
    """Yield where other file systems begin inside *root*."""
    with suppress(OSError):
        text = Path("/proc/self/mountinfo").read_bytes()
        for line in text.splitlines():
            path = Path(os.fsdecode(_unescaped(line.split()[4])))
            if path != root and path.is_relative_to(root) and path.is_dir():
                yield path


def _unescaped(name: bytes) -> bytes:
    return re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8)]), name)


def _git_folders(root: Path) -> Iterator[Path]:
    """A worktree keeps its own elsewhere."""
    found = run_git(root, "rev-parse", "--path-format=absolute", "--git-dir", "--git-common-dir")
    if isinstance(found, bytes):
        for line in found.splitlines():
            yield Path(os.fsdecode(line))


def outside_of(project: Path, room: Path) -> list[str]:
    candidates = (project.resolve().parent, room, room.parent, Path(tempfile.gettempdir()))
    more = (Path("/var/tmp"), Path("/dev/shm"), Path("/dev"), Path("/run"), Path("/etc"))  # noqa: S108
    return [str(path) for path in dict.fromkeys((*candidates, *more)) if path.is_dir()]


def disks() -> list[str]:
    """A disk of this machine, if there is one: opening it for writing does not write."""
    with suppress(OSError):
        for entry in Path("/dev").iterdir():
            if entry.is_block_device() and not entry.name.startswith(("loop", "zram", "ram")):
                return [str(entry)]
    return []


def signatures(targets: Sequence[tuple[str, str, str]]) -> dict[str, object]:
    """Return all that reading does not change of those places that are there."""
    found: dict[str, object] = {}
    for place in {place for target in targets for place in target if place}:
        with suppress(OSError):
            now = os.lstat(place)
            is_folder = stat.S_ISDIR(now.st_mode)
            names = frozenset(os.listdir(place)) if is_folder else None  # noqa: PTH208
            times = (now.st_mtime_ns, now.st_ctime_ns)
            rights = (now.st_mode, now.st_uid, now.st_gid, now.st_nlink)
            found[place] = (now.st_ino, now.st_size, *times, *rights, names)
    return found
