"""What differs between two commits, or a commit and the working tree, as git itself tells it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from flowrunner.evidence.git import GitFailure, diff

Status: TypeAlias = Literal["added", "modified", "renamed", "deleted", "unchanged"]

_STATUS: dict[str, Status] = {"A": "added", "C": "added", "D": "deleted", "R": "renamed"}
_TWO_PATHS = ("R", "C")
_HUNK = re.compile(rb"@@ -\d+(?:,\d+)? \+(\d+)(?:,(\d+))? @@")
_ESCAPE = re.compile(rb'\\([0-7]{3}|["\\abtnvfr])')
_ESCAPED = dict(zip(b'"\\abtnvfr', b'"\\\a\b\t\n\v\f\r', strict=True))


@dataclass(frozen=True, slots=True)
class Change:
    """One file's difference; *added* and *deleted* count lines and are None for binary files."""

    path: str
    status: Status
    added: int | None
    deleted: int | None
    old_path: str | None = None


def changed_files(root: Path, base: str, head: str | None) -> tuple[Change, ...] | GitFailure:
    """Compare full hashes (*head* None: the working tree); sorted by path."""
    output = diff(root, base, head, "--raw", "--numstat", "-z")
    if isinstance(output, GitFailure):
        return output
    return tuple(sorted(parse_changes(output), key=lambda change: change.path))


def changed_lines(
    root: Path, base: str, head: str | None
) -> dict[str, tuple[tuple[int, int], ...]] | GitFailure:
    """Return, per file, the (first, last) line numbers that the later side added or changed."""
    output = diff(root, base, head, "-U0")
    return output if isinstance(output, GitFailure) else parse_hunks(output)


def parse_changes(output: bytes) -> Iterator[Change]:
    """Read `--raw --numstat -z`: first all statuses, then all counts, each with its path."""
    fields = iter(os.fsdecode(output).split("\0"))
    statuses: dict[str, tuple[Status, str | None]] = {}
    for field in fields:
        if field.startswith(":"):
            letter = field.rpartition(" ")[2][:1]
            old = next(fields)
            new = next(fields) if letter in _TWO_PATHS else old
            statuses[new] = (_STATUS.get(letter, "modified"), old if old != new else None)
        elif field:
            added, deleted, name = field.split("\t", 2)
            path = name or (next(fields), next(fields))[1]
            status, old_path = statuses.get(path, ("modified", None))
            yield Change(path, status, _count(added), _count(deleted), old_path)


def parse_hunks(output: bytes) -> dict[str, tuple[tuple[int, int], ...]]:
    """Read `-U0`; a hunk that only removes lines is placed at the line before the gap."""
    found: dict[str, list[tuple[int, int]]] = {}
    path: str | None = None
    for line in output.split(b"\n"):
        if line.startswith(b"diff --git "):
            path = None
        elif line.startswith(b"+++ ") and path is None:
            path = _later_path(line[4:])
        elif path is not None and (hunk := _HUNK.match(line)):
            first, count = int(hunk[1]), int(hunk[2] or 1)
            found.setdefault(path, []).append((max(first, 1), max(first + count - 1, first, 1)))
    return {name: tuple(spans) for name, spans in sorted(found.items())}


def _later_path(name: bytes) -> str | None:
    # Git ends a name that holds a blank with a tab.
    name = name.removesuffix(b"\t")
    if name == b"/dev/null":
        return None
    if name.startswith(b'"'):
        name = _ESCAPE.sub(_unescape, name[1:-1])
    return os.fsdecode(name.removeprefix(b"b/"))


def _unescape(match: re.Match[bytes]) -> bytes:
    escaped = match[1]
    return bytes([int(escaped, 8) if len(escaped) == 3 else _ESCAPED[escaped[0]]])  # noqa: PLR2004


def _count(text: str) -> int | None:
    return None if text == "-" else int(text)
