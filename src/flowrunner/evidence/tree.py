"""A pinned tree: which files there were, with which bytes, and how to read them and only them."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path, PurePosixPath

from flowrunner.evidence.git import GitFailure, head_commit
from flowrunner.evidence.listing import list_files

MAX_BYTES = 4 * 1024 * 1024
"""A file above this is named as refused, not read: no reviewer reads it either."""

_SNIFFED = 8192
_LINE_END = re.compile(r"\r\n|\r|\n")
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})


class Refusal(StrEnum):
    """Why a path is not read; the tree and its readers answer this instead of raising."""

    OUTSIDE = "outside_project"
    MISSING = "missing"
    NOT_A_FILE = "not_a_file"
    TOO_LARGE = "too_large"
    BINARY = "binary"
    UNREADABLE = "unreadable"
    NAME_NOT_UTF8 = "name_not_utf8"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Tree:
    """*files* maps a path (relative, forward slashes) to the sha256 of its bytes, as hex."""

    root: Path
    files: Mapping[str, str]
    commit: str | None = None
    refused: Mapping[str, Refusal] = field(default_factory=dict[str, Refusal])


def pin_tree(root: Path, paths: Iterable[str] | None = None) -> Tree:
    """Hash *paths*, or every file that git or a walk finds; what cannot be pinned is `refused`."""
    files: dict[str, str] = {}
    refused: dict[str, Refusal] = {}
    for path in sorted(set(list_files(root).paths if paths is None else paths)):
        pinned = _hash(root, path)
        if isinstance(pinned, Refusal):
            refused[printable(path)] = pinned
        else:
            files[path] = pinned
    commit = head_commit(root)
    return Tree(root, files, None if isinstance(commit, GitFailure) else commit, refused)


def read_lines(tree: Tree, path: str) -> tuple[str, ...] | Refusal:
    """Return the lines of a pinned file, without their ends; other bytes than pinned are refused.

    A line ends with LF, CRLF or CR, as for Python, ruff and editors; bytes that are not UTF-8 are
    replaced, so that such a file can still be cited.
    """
    pinned = tree.files.get(path)
    if pinned is None:
        return tree.refused.get(path, Refusal.MISSING)
    content = read_bytes(tree.root, path)
    if isinstance(content, Refusal):
        return content
    if hashlib.sha256(content).hexdigest() != pinned:
        return Refusal.CHANGED
    return Refusal.BINARY if is_binary(content) else split_lines(decode(content))


def read_bytes(root: Path, path: str) -> bytes | Refusal:
    """Return a file's bytes; nothing outside *root* is opened, not even by a swapped link."""
    place = confine(root, path)
    if isinstance(place, Refusal):
        return place
    try:
        return _read(open_beneath(root.resolve(), place.parts))
    except OSError as error:
        return _refusal(error)


def confine(root: Path, path: str) -> PurePosixPath | Refusal:
    """Return where *path* really is below *root*, links followed; git's own folder is outside."""
    given = PurePosixPath(path)
    if "\0" in path or given.is_absolute() or ".." in given.parts:
        return Refusal.OUTSIDE
    try:
        path.encode()
    except UnicodeEncodeError:
        return Refusal.NAME_NOT_UTF8
    base = root.resolve()
    real = Path(os.path.realpath(base / path))
    if not real.is_relative_to(base):
        return Refusal.OUTSIDE
    place = PurePosixPath(real.relative_to(base))
    if any(part.casefold() == ".git" for part in (*given.parts, *place.parts)):
        return Refusal.OUTSIDE
    return place if place.parts else Refusal.NOT_A_FILE


def open_beneath(base: Path, parts: Sequence[str]) -> int:
    """Open a resolved place folder by folder, never through a link: a link now was swapped in."""
    folder = os.open(base, _FLAGS | os.O_DIRECTORY)
    try:
        for part in parts[:-1]:
            deeper = os.open(part, _FLAGS | os.O_DIRECTORY, dir_fd=folder)
            os.close(folder)
            folder = deeper
        return os.open(parts[-1], _FLAGS, dir_fd=folder)
    finally:
        os.close(folder)


def is_binary(content: bytes) -> bool:
    """Judge as git does: a NUL byte near the beginning."""
    return b"\0" in content[:_SNIFFED]


def decode(content: bytes) -> str:
    return content.decode("utf-8", "replace").removeprefix("\ufeff")


def split_lines(text: str) -> tuple[str, ...]:
    """Split where Python's tokenizer does; str.splitlines also splits at form feeds and others."""
    lines = _LINE_END.split(text)
    return tuple(lines[:-1] if lines[-1] == "" else lines)


def printable(path: str) -> str:
    """Return a name that JSON can carry; bytes that are not UTF-8 are shown as escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _hash(root: Path, path: str) -> str | Refusal:
    content = read_bytes(root, path)
    return content if isinstance(content, Refusal) else hashlib.sha256(content).hexdigest()


def _read(file: int) -> bytes | Refusal:
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            return Refusal.NOT_A_FILE
        with os.fdopen(file, "rb", closefd=False) as stream:
            content = stream.read(MAX_BYTES + 1)
    finally:
        os.close(file)
    return Refusal.TOO_LARGE if len(content) > MAX_BYTES else content


def _refusal(error: OSError) -> Refusal:
    if error.errno in _GONE:
        return Refusal.MISSING
    return Refusal.OUTSIDE if error.errno == errno.ELOOP else Refusal.UNREADABLE
