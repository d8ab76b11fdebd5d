"""What a tree is at one instant: every entry's metadata, git's state, and contents where needed.

Metadata are enough to see a change: no program can set an entry's change time. Contents are read
where git does not keep them, so that a change can be told from a touch, and on file systems whose
times lie.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from flowrunner.evidence.git import GitFailure, GitReason, head_commit, run_git, status
from flowrunner.evidence.listing import list_files

CONTENT_BYTES = 256 * 1024 * 1024
"""How much content is read at most for one state; what is beyond it is counted."""
_PIECE_BYTES = 1 << 20
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
GIT_PROBLEM = "git: "
_GIT, _LOCK = ".git", ".lock"
_SHARED_OF_GIT = ("config", "hooks", "info")
"""Of the folder that worktrees share: its branches are everybody's."""
_OF_GIT = ("HEAD", "config", "config.worktree", "packed-refs", "hooks", "info", "refs")
"""What makes git's later commands do something else. Others come and go while people work."""


_NO_INODE = (0, 0, 0)


class Entry(NamedTuple):
    """One file, folder or link; *content* is its hash, or where a link points, if it was read."""

    mode: int
    owner: tuple[int, int]
    size: int
    modified_ns: int
    changed_ns: int
    inode: tuple[int, int, int]
    content: str = ""

    def same_metadata(self, other: Entry) -> bool:
        return self[:-1] == other[:-1]

    def differs(self, other: Entry) -> bool:
        """Whether anything does that both looks have seen; git's own files are always read."""
        if not self.same_metadata(other):
            return True
        both_read = bool(self.content and other.content) or self.inode == _NO_INODE
        return both_read and self.content != other.content


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeState:
    """One instant of a tree. Paths are relative to *root*; git's own begin with `.git/`."""

    root: Path
    entries: Mapping[str, Entry] = field(default_factory=dict[str, Entry])
    head: str = ""
    index: str = ""
    status: bytes = b""
    unread_count: int = 0
    """Files whose content counts but was not read: too much, or not readable."""
    problems: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        whole = hashlib.sha256(f"{self.head}\0{self.index}\0".encode() + self.status)
        for path in sorted(self.entries):
            whole.update(os.fsencode(path) + repr(tuple(self.entries[path])).encode())
        return whole.hexdigest()


def take(
    root: Path,
    *,
    earlier: TreeState | None = None,
    leave_out: Iterable[Path] = (),
    ignored: bool = True,
) -> TreeState:
    """Look at all of *root*; blocking. *earlier* saves reading again what has not changed.

    *leave_out* names folders that others may write: private folders of tasks, if they lie inside.
    Without *ignored* what git ignores is left out, with the times of the folders it may lie in.
    """
    root = root.resolve()
    problems: list[str] = []
    skipped = {os.fspath(folder.resolve()) for folder in leave_out}
    entries = dict(_walk(root, skipped if ignored else skipped | _ignored(root), problems))
    if not ignored:
        entries = {path: _timeless(entry) for path, entry in entries.items()}
    unread = _read_contents(root, entries, earlier)
    head = _known_head(root, problems)
    entries.update(_git_entries(root))
    return TreeState(
        root=root,
        entries=entries,
        head=head,
        index=_hash_of(_kept(run_git(root, "ls-files", "--stage", "-z"), problems)),
        status=_kept(status(root), problems),
        unread_count=unread,
        problems=tuple(problems),
    )


def _walk(root: Path, skipped: set[str], problems: list[str]) -> Iterator[tuple[str, Entry]]:
    try:
        top = os.lstat(root)
    except OSError as exc:
        problems.append(f"{root} could not be read: {exc.strerror}")
        return
    yield ".", _entry(top)
    waiting = [""]
    while waiting:
        here = waiting.pop()
        try:
            with os.scandir(os.path.join(root, here)) as found:  # noqa: PTH118  # for speed
                members = list(found)
        except OSError as exc:
            problems.append(f"{here or '.'} could not be read: {exc.strerror}")
            continue
        for member in members:
            path = f"{here}/{member.name}" if here else member.name
            if member.path in skipped or path == _GIT:
                continue
            try:
                entry = _with_target(_entry(member.stat(follow_symlinks=False)), member.path)
            except FileNotFoundError:
                continue
            except OSError as exc:
                problems.append(f"{path} could not be read: {exc.strerror}")
                continue
            yield path, entry
            if stat.S_ISDIR(entry.mode):
                waiting.append(path)


def _ignored(root: Path) -> set[str]:
    """What git ignores, a folder of nothing else once; nothing where there is no git."""
    asked = ("ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory")
    found = run_git(root, *asked)
    names = found.split(b"\0") if isinstance(found, bytes) else []
    return {os.fspath(root / os.fsdecode(name)) for name in names if name}


def _timeless(entry: Entry) -> Entry:
    if not stat.S_ISDIR(entry.mode):
        return entry
    device, inode, _links = entry.inode
    return entry._replace(size=0, modified_ns=0, changed_ns=0, inode=(device, inode, 0))


def _entry(found: os.stat_result) -> Entry:
    return Entry(
        mode=found.st_mode,
        owner=(found.st_uid, found.st_gid),
        size=found.st_size,
        modified_ns=found.st_mtime_ns,
        changed_ns=found.st_ctime_ns,
        inode=(found.st_dev, found.st_ino, found.st_nlink),
    )


def _with_target(entry: Entry, path: str) -> Entry:
    if not stat.S_ISLNK(entry.mode):
        return entry
    return entry._replace(content=f"-> {os.readlink(path)}")  # noqa: PTH115


def _read_contents(root: Path, entries: dict[str, Entry], earlier: TreeState | None) -> int:
    left, unread = CONTENT_BYTES, 0
    for path in _not_kept_by_git(root):
        entry = entries.get(path)
        if entry is None or not stat.S_ISREG(entry.mode):
            continue
        known = earlier.entries.get(path) if earlier else None
        if known is not None and known.content and known.same_metadata(entry):
            entries[path] = known
        elif entry.size > left:
            unread += 1
        else:
            content = _hash_file(root, path)
            left -= entry.size
            unread += not content
            entries[path] = entry._replace(content=content)
    return unread


def _not_kept_by_git(root: Path) -> tuple[str, ...]:
    found = run_git(root, "ls-files", "-z", "--others", "--exclude-standard")
    if isinstance(found, bytes):
        return tuple(sorted(os.fsdecode(name) for name in found.split(b"\0") if name))
    return list_files(root).paths


def _hash_file(root: Path, path: str) -> str:
    """Return the hash of its content, or nothing if it cannot be read."""
    whole = hashlib.sha256()
    try:
        with os.fdopen(os.open(root / path, _FLAGS), "rb", buffering=0) as stream:
            while piece := stream.read(_PIECE_BYTES):
                whole.update(piece)
    except OSError:
        return ""
    return whole.hexdigest()


def _git_entries(root: Path) -> Iterator[tuple[str, Entry]]:
    """What git keeps, in the project, or elsewhere for a worktree or a part of a repository."""
    found = run_git(root, "rev-parse", "--path-format=absolute", "--git-dir", "--git-common-dir")
    own = common = root / _GIT
    if isinstance(found, bytes) and len(lines := found.splitlines()) == len((own, common)):
        own, common = (Path(os.fsdecode(line)) for line in lines)
    yield from _entries_of(own, _OF_GIT, _GIT)
    if common != own:
        yield from _entries_of(common, _SHARED_OF_GIT, f"{_GIT}/common")


def _entries_of(place: Path, names: Iterable[str], prefix: str) -> Iterator[tuple[str, Entry]]:
    for name in names:
        path = place / name
        inner = [Path(here, file) for here, _, files in os.walk(path) for file in files]
        for file in inner if path.is_dir() else [path]:
            if file.suffix != _LOCK and os.path.lexists(file):
                yield f"{prefix}/{file.relative_to(place).as_posix()}", _git_entry(place, file)


def _git_entry(place: Path, file: Path) -> Entry:
    """Its content and mode alone: git replaces its files, also by the same."""
    mode = 0
    with suppress(OSError):
        mode = file.lstat().st_mode
    content = _hash_file(place, os.fspath(file.relative_to(place)))
    return Entry(mode, (0, 0), 0, 0, 0, _NO_INODE, content)


def _known_head(root: Path, problems: list[str]) -> str:
    found = head_commit(root)
    if isinstance(found, str):
        return found
    if found.reason is not GitReason.UNKNOWN_REVISION:  # A repository may have no commit yet.
        _kept(found, problems)
    return ""


def _kept(found: bytes | GitFailure, problems: list[str]) -> bytes:
    if isinstance(found, bytes):
        return found
    if found.reason not in {GitReason.NOT_A_REPOSITORY, GitReason.NO_GIT}:
        problems.append(f"{GIT_PROBLEM}{found.message}")
    return b""


def _hash_of(listed: bytes) -> str:
    return hashlib.sha256(listed).hexdigest() if listed else ""
