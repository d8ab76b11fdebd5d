"""What a model may look at: the files of one project, and nothing beside them (P8)."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path, PurePosixPath

from flowrunner.evidence.listing import list_files
from flowrunner.evidence.tree import (
    MAX_BYTES,
    Refusal,
    confine,
    decode,
    is_binary,
    printable,
    read_bytes,
    split_lines,
)
from flowrunner.wire.tasks import shortened

LISTED = 1000
READ_LINES = 1000
READ_CHARACTERS = 60_000
LINE_CHARACTERS = 2000

_TOLD = {
    Refusal.OUTSIDE: "is outside of the project, or belongs to git: neither can be looked at."
    " Give a path relative to the project's root, without '..'",
    Refusal.MISSING: "does not exist; use list to see which files there are",
    Refusal.NOT_A_FILE: "is not a file; use list to see what lies in a folder",
    Refusal.TOO_LARGE: f"is larger than {MAX_BYTES} bytes: it is not shown",
    Refusal.BINARY: "is binary: it is not shown",
    Refusal.UNREADABLE: "cannot be read: its permissions do not allow it",
    Refusal.NAME_NOT_UTF8: "is not a name in UTF-8",
    Refusal.CHANGED: "has just changed",
}


class DeclinedError(Exception):
    """What a model is told instead of a result."""


class Project:
    """One folder. Which files it has is found out once."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def paths(self) -> tuple[str, ...]:
        return list_files(self.root).paths

    def below(self, path: str, glob: str) -> list[str]:
        """Return the files at or below *path* that *glob* fits, if there is one."""
        place = self._folder(path)
        inside = [p for p in self.paths if place in {".", p} or p.startswith(f"{place}/")]
        return [p for p in inside if fits(p, glob)]

    def list(self, path: str = ".", glob: str = "") -> str:
        """Name them, one to a line."""
        found = self.below(path, glob)
        if not found:
            hidden = "; what git ignores is not listed, but can be read"
            raise DeclinedError(f"no files at {shown(path)!r}{hidden}")
        lines = [shown(name) for name in found[:LISTED]]
        if more := len(found) - len(lines):
            lines.append(f"[flowrunner: cut, {more} more files; name a folder or a glob]")
        return "\n".join(lines)

    def read(self, path: str, start_line: int = 1, line_count: int = READ_LINES) -> str:
        """Return lines with their numbers, and say what of the file is not among them."""
        content = read_bytes(self.root, self.relative(path))
        if not isinstance(content, Refusal) and is_binary(content):
            content = Refusal.BINARY
        if isinstance(content, Refusal):
            raise DeclinedError(f"{shown(path)!r} {_TOLD[content]}")
        lines = split_lines(decode(content))
        if not lines:
            return "[flowrunner: the file is empty]"
        first = max(1, start_line)
        if first > len(lines):
            raise DeclinedError(f"{shown(path)!r} has only {len(lines)} lines")
        return _numbered(lines, first, min(max(1, line_count), READ_LINES))

    def relative(self, path: str) -> str:
        """Return *path* from the root on, if it is below it: models like to give absolute ones."""
        given = PurePosixPath(path.strip() or ".")
        if not given.is_absolute():
            return str(given)
        for base in (self.root, self.root.resolve()):
            if given.is_relative_to(base):
                return str(given.relative_to(base))
        return str(given)

    def _folder(self, path: str) -> str:
        relative = self.relative(path)
        if relative == ".":
            return relative
        place = confine(self.root, relative)
        if isinstance(place, Refusal):
            raise DeclinedError(f"{shown(path)!r} {_TOLD[place]}")
        return str(place)


def fits(path: str, glob: str) -> bool:
    """Say whether *glob* fits the path or the file's name; `**/` may also stand for nothing."""
    forms = (glob, glob.replace("**/", ""))
    names = (path, PurePosixPath(path).name)
    return not glob or any(fnmatchcase(name, form) for name in names for form in forms)


def shown(path: str) -> str:
    """Return a name on one line, whatever is in it."""
    return printable(path).replace("\n", "\\n").replace("\r", "\\r")


def _numbered(lines: tuple[str, ...], first: int, count: int) -> str:
    told: list[str] = []
    size = 0
    for number in range(first, min(first + count, len(lines) + 1)):
        line = f"{number}: {shortened(lines[number - 1], LINE_CHARACTERS)}"
        size += len(line)
        if size > READ_CHARACTERS and told:
            break
        told.append(line)
    last = first + len(told) - 1
    if last < len(lines):
        told.append(
            f"[flowrunner: cut, these are lines {first} to {last} of {len(lines)};"
            f" go on with start_line={last + 1}]"
        )
    return "\n".join(told)
